import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';

/**
 * Fields of an archive's records that zip.js passes over, and that other readers go by (A1 of archive-reader.ts).
 * Source: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3 to 4.5.
 */

const CENTRAL_HEADER = 0x02014b50;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const DESCRIPTOR_FLAG = 8;
/** Says that the value stands in the field of 64 bits. */
const ELSEWHERE = 0xffff_ffff;
const ELSEWHERE_16 = 0xffff;
const ZIP64_FIELD = 0x0001;
/** Of a Unix mode and a link's target, beside the attributes: the field of ASi. */
const ASI_FIELD = 0x756e;

/**
 * Walks an archive whose records zip.js has read, from the first record of its directory to its end record, after which
 * nothing follows.
 * @throws GtpackError `archive_ambiguous`, `archive_damaged`, `archive_link_refused`
 */
export function checkRecords(bytes: Uint8Array, directoryOffset: number, file: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const refuse = (message: string): GtpackError => new GtpackError('archive_ambiguous', message, { file });
  for (let at = directoryOffset; isRecord(view, at); ) {
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const nameAt = at + CENTRAL_BYTES;
    const name = quoted(Buffer.from(bytes.subarray(nameAt, nameAt + nameLength)).toString());
    const disk = view.getUint16(at + 34, true);
    if (disk !== 0 && disk !== ELSEWHERE_16)
      throw new GtpackError('archive_damaged', `The entry ${name} is said to be on another disk.`, { file });
    const fault =
      extraFault(new DataView(view.buffer, view.byteOffset + nameAt + nameLength, extraLength), {
        size: view.getUint32(at + 24, true),
        packedSize: view.getUint32(at + 20, true),
        offset: view.getUint32(at + 42, true),
      }) ?? descriptorFault(view, at);
    if (fault === ASI_FAULT)
      throw new GtpackError('archive_link_refused', `The entry ${name} ${fault}.`, { file });
    if (fault !== undefined) throw refuse(`The entry ${name} ${fault}.`);
    at = nameAt + nameLength + extraLength + view.getUint16(at + 32, true);
  }
  const end = bytes.length - END_BYTES;
  if (view.getUint16(end + 6, true) !== view.getUint16(end + 4, true))
    throw refuse('The end record says that the central directory is on another disk.');
  if (view.getUint16(end + 8, true) !== view.getUint16(end + 10, true))
    throw refuse('The end record counts the entries twice, and differently.');
}

function isRecord(view: DataView, at: number): boolean {
  return at + CENTRAL_BYTES <= view.byteLength && view.getUint32(at, true) === CENTRAL_HEADER;
}

interface PlainFields {
  readonly size: number;
  readonly packedSize: number;
  readonly offset: number;
}

const ASI_FAULT = 'has a Unix mode of its own in an extra field, as links have';

function extraFault(extra: DataView, plain: PlainFields): string | undefined {
  const found = new Set<number>();
  for (let at = 0; at < extra.byteLength; ) {
    if (at + 4 > extra.byteLength) return 'has an extra field that is cut off';
    const id = extra.getUint16(at, true);
    const length = extra.getUint16(at + 2, true);
    const start = at + 4;
    if (start + length > extra.byteLength) return 'has an extra field that is cut off';
    if (found.has(id)) return `has the extra field ${id} twice`;
    found.add(id);
    if (id === ASI_FIELD) return ASI_FAULT;
    if (
      id === ZIP64_FIELD &&
      isSecondOpinion(new DataView(extra.buffer, extra.byteOffset + start, length), plain)
    )
      return 'has other sizes in 64 bits than in 32';
    at = start + length;
  }
  return undefined;
}

/** Where nothing in the header points to the 64-bit field, some readers go by it all the same. */
function isSecondOpinion(zip64: DataView, { size, packedSize, offset }: PlainFields): boolean {
  if (size === ELSEWHERE || packedSize === ELSEWHERE || offset === ELSEWHERE) return false;
  return [size, packedSize, offset].some(
    (value, index) =>
      (index + 1) * 8 <= zip64.byteLength && zip64.getBigUint64(index * 8, true) !== BigInt(value),
  );
}

/** Where sizes follow the content, a local header has zeros for them, or the same: some readers go by it. */
function descriptorFault(view: DataView, central: number): string | undefined {
  const local = view.getUint32(central + 42, true);
  if ((view.getUint16(central + 8, true) & DESCRIPTOR_FLAG) === 0 || local === ELSEWHERE) return undefined;
  const differs = [
    [14, 16],
    [18, 20],
    [22, 24],
  ].some(([inLocal = 0, inCentral = 0]) => {
    const value = view.getUint32(local + inLocal, true);
    return value !== 0 && value !== ELSEWHERE && value !== view.getUint32(central + inCentral, true);
  });
  return differs ? 'has other sizes in its local header than in the directory' : undefined;
}
