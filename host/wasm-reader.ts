/** Thrown for a WebAssembly binary that is not what its numbers say. */
export class SectionFault extends Error {
  override readonly name = 'SectionFault';
}

const MAX_NAMES = 10_000;
const MAX_NAME_BYTES = 1024;

/**
 * Reads numbers and names from a part of a WebAssembly binary, and never past its end. The bytes are a stranger's, and
 * this runs in the main process: nothing is compiled and nothing is sized by a number of theirs.
 *
 * Source: WebAssembly core specification, chapter 5.
 */
export class SectionReader {
  readonly #bytes: Uint8Array;
  #position: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#position >= this.#end;
  }

  /** Where the next byte stands in the binary. */
  get position(): number {
    return this.#position;
  }

  /** Where the part ends in the binary. */
  get end(): number {
    return this.#end;
  }

  byte(): number {
    const value = this.#position < this.#end ? this.#bytes[this.#position] : undefined;
    if (value === undefined) throw new SectionFault(`it ends in the middle, at byte ${this.#position}`);
    this.#position += 1;
    return value;
  }

  /** LEB128, unsigned, 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw new SectionFault(`there is a number of more than 32 bits before byte ${this.#position}`);
  }

  /** LEB128, signed, 33 bits: the index of a type, or below zero one that has no index. */
  s33(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - 2 ** (shift + 7);
    }
    throw new SectionFault(`there is a number of more than 33 bits before byte ${this.#position}`);
  }

  /** A number whose value does not matter, of up to 64 bits. */
  skipNumber(): void {
    for (let length = 0; length < 10; length += 1) if (this.byte() < 0x80) return;
    throw new SectionFault(`there is a number of more than 64 bits before byte ${this.#position}`);
  }

  /** How many names follow. */
  count(): number {
    const count = this.u32();
    if (count > MAX_NAMES)
      throw new SectionFault(`a section has ${count} names; at most ${MAX_NAMES} are read`);
    return count;
  }

  name(): string {
    const length = this.u32();
    if (length > MAX_NAME_BYTES)
      throw new SectionFault(`a name is ${length} bytes long; at most ${MAX_NAME_BYTES} are read`);
    const part = this.part(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
        part.#bytes.subarray(part.#position, part.#end),
      );
    } catch {
      throw new SectionFault(`the name before byte ${this.#position} is not UTF-8`);
    }
  }

  /** The next `length` bytes, which are passed over here. */
  part(length: number): SectionReader {
    const start = this.#position;
    if (start + length > this.#end)
      throw new SectionFault(`what starts at byte ${start} is longer than what holds it`);
    this.#position = start + length;
    return new SectionReader(this.#bytes, start, start + length);
  }
}

const HEADER_BYTES = 8;

/** Calls `read` for each section of the outermost level; `start` is where the section's id stands. */
export function eachSection(
  bytes: Uint8Array,
  read: (id: number, section: SectionReader, start: number) => void,
): void {
  sectionsOf(new SectionReader(bytes, 0, bytes.length), read);
}

/** The same for a module or component that is a part of another. */
export function sectionsOf(
  reader: SectionReader,
  read: (id: number, section: SectionReader, start: number) => void,
): void {
  reader.part(HEADER_BYTES);
  while (!reader.done) {
    const start = reader.position;
    const id = reader.byte();
    const section = reader.part(reader.u32());
    read(id, section, start);
  }
}
