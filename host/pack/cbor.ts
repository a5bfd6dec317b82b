import { isUtf8 } from 'node:buffer';
import { decode, encode } from 'cborg';
import { errorMessage } from '../errors.ts';
import type { Json } from '../event/json.ts';

/**
 * CBOR as packs hold it: JSON's values and nothing more. Source: RFC 8949, with the shortest encodings of section 4.2.
 */

const MAX_DEPTH = 64;
const MAX_ITEMS = 100_000;
/** Tag 55799, which says no more than that CBOR follows; some writers put it in front. */
const SELF_DESCRIBED = [0xd9, 0xd9, 0xf7];

/** Why bytes are not such CBOR; the caller adds which file. */
export class CborFault extends Error {
  override readonly name = 'CborFault';
}

/**
 * Refuses duplicate keys, texts and bytes in pieces, tags, undefined, NaN, infinities and bigints. Arrays and maps may end
 * with a break instead of having a length: writers in the field stream them.
 * @param beyondJson lets undefined, NaN, infinities and bigints pass. Default: false
 * @throws CborFault
 */
export function decodeCbor(encoded: Uint8Array, { beyondJson = false } = {}): unknown {
  const isMarked = SELF_DESCRIBED.every((byte, index) => encoded[index] === byte);
  const bytes = isMarked ? encoded.subarray(SELF_DESCRIBED.length) : encoded;
  checkStructure(bytes);
  try {
    return decode(bytes, {
      strict: true,
      allowIndefinite: true,
      allowUndefined: beyondJson,
      allowInfinity: beyondJson,
      allowNaN: beyondJson,
      allowBigInt: beyondJson,
      rejectDuplicateMapKeys: true,
    });
  } catch (error) {
    throw new CborFault(errorMessage(error).replace(/^CBOR decode error: /, ''));
  }
}

/** Keys sorted, shortest encodings: the same value gives the same bytes. */
export function encodeCbor(value: Json): Uint8Array {
  return encode(value);
}

/**
 * Walks the heads of all items without recursion, so that depth, counts and lengths are bounded before the decoder,
 * which recurses and trusts lengths, sees the bytes.
 */
function checkStructure(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  /** Items still to come, for each open array and map; of one that ends with a break, how many came, below zero. */
  const open: number[] = [];
  let position = 0;
  let items = 0;
  do {
    while (open.at(-1) === 0) open.pop();
    const depth = open.length;
    const isOpenEnded = (open.at(-1) ?? 0) < 0;
    if (isOpenEnded && bytes[position] === BREAK) {
      open.pop();
      position += 1;
      continue;
    }
    if (depth > 0) open[depth - 1] = (open[depth - 1] ?? 0) - 1;
    items += 1;
    if (items > MAX_ITEMS) throw new CborFault(`it has more than ${MAX_ITEMS} values`);
    const head = readHead(view, position);
    position = head.end;
    const left = bytes.length - position;
    switch (head.major) {
      case 2:
      case 3:
        if (head.value > left)
          throw new CborFault(`a text or byte string at byte ${head.start} is longer than what follows`);
        // The decoder would put replacement characters, and two keys would look the same.
        if (head.major === 3 && !isUtf8(bytes.subarray(position, position + head.value)))
          throw new CborFault(`the text at byte ${head.start} is not UTF-8`);
        position += head.value;
        break;
      case 4:
      case 5: {
        const count = head.major === 4 ? head.value : head.value * 2;
        if (count > left)
          throw new CborFault(`an array or map at byte ${head.start} has more items than bytes follow`);
        if (depth >= MAX_DEPTH) throw new CborFault(`it nests deeper than ${MAX_DEPTH} levels`);
        open.push(head.isOpenEnded ? OPEN_END : count);
        break;
      }
      case 6:
        throw new CborFault(`there is a tag at byte ${head.start}; tags are not read`);
      default:
    }
  } while (open.some((count) => count !== 0));
  if (position !== bytes.length) throw new CborFault(`${bytes.length - position} bytes follow its end`);
}

interface Head {
  readonly start: number;
  readonly end: number;
  readonly major: number;
  readonly value: number;
  /** An array or map whose length is not told: it ends with a break. */
  readonly isOpenEnded: boolean;
}

const FIRST_SIZED = 24;
const INDEFINITE = 31;
const BREAK = 0xff;
/** Counts down from here, so that it is never zero. */
const OPEN_END = -1;

function readHead(view: DataView, start: number): Head {
  if (start >= view.byteLength) throw new CborFault('it ends in the middle');
  const first = view.getUint8(start);
  const major = first >> 5;
  const info = first & 31;
  if (info < FIRST_SIZED) return { start, end: start + 1, major, value: info, isOpenEnded: false };
  if (info === INDEFINITE) {
    if (major === 4 || major === 5) return { start, end: start + 1, major, value: 0, isOpenEnded: true };
    throw new CborFault(
      first === BREAK
        ? `there is a break at byte ${start}, where nothing ends`
        : `there is a text or byte string in pieces at byte ${start}`,
    );
  }
  const size = 1 << (info - FIRST_SIZED);
  if (size > 8) throw new CborFault(`there is a reserved head at byte ${start}`);
  const end = start + 1 + size;
  if (end > view.byteLength) throw new CborFault('it ends in the middle');
  const value =
    size === 1
      ? view.getUint8(start + 1)
      : size === 2
        ? view.getUint16(start + 1)
        : size === 4
          ? view.getUint32(start + 1)
          : Number(view.getBigUint64(start + 1));
  return { start, end, major, value, isOpenEnded: false };
}
