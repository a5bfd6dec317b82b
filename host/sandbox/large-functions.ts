import { eachSection, type SectionReader } from '../wasm-reader.ts';
import { leb } from './leb128.ts';

const CUSTOM_SECTION = 0;
const CODE_SECTION = 10;
/** Below these, what the optimizing compiler holds for one function is small: its work grows with both. */
const MAX_SMALL_BYTES = 4096;
const MAX_SMALL_LOCALS = 1000;
/** No locals; unreachable; end. Right for every type of function. */
const STUB = [3, 0, 0x00, 0x0b];

/**
 * The module with the bodies of its small functions taken out. The optimizing compiler takes its functions one by one, so
 * that the large ones alone tell what it takes.
 * @throws SectionFault for a binary that is not what its numbers say
 */
export function onlyLargeFunctions(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  eachSection(bytes, (id, section, start) => {
    const { end } = section;
    // Custom ones may speak of places in the code.
    if (id === CUSTOM_SECTION) return;
    if (id !== CODE_SECTION) {
      parts.push(bytes.subarray(start, end));
      return;
    }
    const bodies = codeOf(bytes, section);
    const length = bodies.reduce((total, part) => total + part.length, 0);
    parts.push(Uint8Array.from([id, ...leb(length)]), ...bodies);
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** The code section's content, from its count on. */
function codeOf(bytes: Uint8Array, section: SectionReader): Uint8Array[] {
  const count = section.u32();
  const parts: Uint8Array[] = [Uint8Array.from(leb(count))];
  for (let left = count; left > 0; left -= 1) {
    const start = section.position;
    const body = section.part(section.u32());
    const isSmall = section.position - start <= MAX_SMALL_BYTES && localsOf(body) <= MAX_SMALL_LOCALS;
    parts.push(isSmall ? Uint8Array.from(STUB) : bytes.subarray(start, section.position));
  }
  return parts;
}

function localsOf(body: SectionReader): number {
  let locals = 0;
  for (let runs = body.u32(); runs > 0 && locals <= MAX_SMALL_LOCALS; runs -= 1) {
    locals += body.u32();
    const type = body.byte();
    // A reference to a heap type, which follows.
    if (type === 0x63 || type === 0x64) body.skipNumber();
  }
  return locals;
}
