import { Buffer } from 'node:buffer';

/** Exports of AssemblyScript's runtime (`--exportRuntime`), as its loader documents them. */
export interface AssemblyScriptRuntime {
  readonly memory: WebAssembly.Memory;
  __new(size: number, classId: number): number;
  __pin(pointer: number): number;
  __unpin(pointer: number): void;
  /** Of runtimes that collect only when they are told to. */
  __collect?(): void;
}

/** Text that may cross before the guest's garbage is collected: often enough to stay small, seldom enough to cost little. */
const COLLECT_EVERY_BYTES = 256 * 1024;

const STRING_CLASS_ID = 2;
/** The length in bytes of a managed object stands before it. */
const LENGTH_OFFSET = 4;

/** Thrown for pointers and lengths that lie; the instance must be dropped. */
export class GuestMemoryFault extends Error {
  override readonly name = 'GuestMemoryFault';
}

/**
 * The strings of one AssemblyScript instance: the only place that reads or writes its memory. Every pointer comes from
 * the guest, so every one is checked against the memory as it is now.
 */
export class GuestMemory {
  readonly #runtime: AssemblyScriptRuntime;
  readonly #maxStringBytes: number;
  #crossedBytes = 0;
  #sizeAfterCollection = 0;

  constructor(runtime: AssemblyScriptRuntime, maxStringBytes: number) {
    this.#runtime = runtime;
    this.#maxStringBytes = maxStringBytes;
  }

  get byteLength(): number {
    return this.#runtime.memory.buffer.byteLength;
  }

  /** Lets the guest collect its garbage, if it is time. Between calls only: nothing of the guest's is on a stack then. */
  collect(): void {
    // A guest that makes much out of little grows its memory before much has crossed.
    const grew = this.byteLength > this.#sizeAfterCollection;
    if (this.#crossedBytes < COLLECT_EVERY_BYTES && !grew) return;
    this.#crossedBytes = 0;
    this.#runtime.__collect?.();
    this.#sizeAfterCollection = this.byteLength;
  }

  /** Copies a text into the guest. The object is pinned; `release` it after the call. */
  write(text: string): number {
    const size = text.length * 2;
    this.#crossedBytes += size;
    const pointer = this.#runtime.__new(size, STRING_CLASS_ID) >>> 0;
    const buffer = this.#runtime.memory.buffer;
    if (pointer === 0 || pointer % 2 !== 0 || pointer + size > buffer.byteLength) {
      throw new GuestMemoryFault(`The guest's allocator returned ${pointer} for ${size} bytes.`);
    }
    if (size > 0) Buffer.from(buffer, pointer, size).write(text, 'utf16le');
    return this.#runtime.__pin(pointer) >>> 0;
  }

  release(pointer: number): void {
    this.#runtime.__unpin(pointer);
  }

  /** Copies a text out of the guest; its length is checked before anything is copied. */
  read(pointer: unknown): string {
    const buffer = this.#runtime.memory.buffer;
    const at = Number(pointer) >>> 0;
    if (at < LENGTH_OFFSET || at % 4 !== 0 || at > buffer.byteLength) {
      throw new GuestMemoryFault(`The guest returned the pointer ${at}, which is no string of its memory.`);
    }
    const size = new DataView(buffer).getUint32(at - LENGTH_OFFSET, true);
    if (size % 2 !== 0 || at + size > buffer.byteLength) {
      throw new GuestMemoryFault(
        `The guest returned a string of ${size} bytes at ${at}, past its memory's end.`,
      );
    }
    if (size > this.#maxStringBytes) {
      throw new GuestMemoryFault(
        `The guest returned a string of ${size} bytes; at most ${this.#maxStringBytes} are read.`,
      );
    }
    this.#crossedBytes += size;
    return Buffer.from(buffer, at, size).toString('utf16le');
  }
}
