import { GtpackError } from '../errors.ts';
import { eachSection, SectionFault, type SectionReader } from '../wasm-reader.ts';
import { leb } from './leb128.ts';

export interface CoreModuleBounds {
  /** Written as the maximum of every memory that the module defines. */
  readonly maxMemoryBytes: number;
}

const PAGE_BYTES = 65_536;
const MAX_MEMORIES = 4;
const MAX_TABLES = 16;
/** Eight bytes each inside V8. */
const MAX_TABLE_ELEMENTS = 100_000;
const MAX_SEGMENTS = 100_000;

const SECTION = { custom: 0, type: 1, import: 2, table: 4, memory: 5, export: 7, tag: 13 } as const;
const MEMORY_EXPORT = 2;
/**
 * Names that mean nothing but themselves wherever they are written. The transpiler writes the names of core modules into
 * its glue as they are (seen with 0.15): a quote in one would end the string that it stands in, and the rest be run.
 */
const PLAIN_NAME = /^[ !#-&(-[\]-_a-~]*$/;
const FUNCTION_TYPE = 0x60;
/** Numbers, vectors, and references to functions and host values; no type that lives on a garbage-collected heap. */
const VALUE_TYPES: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]);

/**
 * Bounds a core module before it is compiled: what it may not hold is refused, and the maxima of its memories and tables
 * are written into it, so that growing past them fails inside the guest. Nothing intercepts `memory.grow`, and a worker's
 * `resourceLimits` bound neither WebAssembly memory nor objects of WebAssembly's garbage collector.
 *
 * Refused: garbage-collected types, 64-bit and shared memories and tables, custom page sizes, more than 4 memories or 16
 * tables, a minimum past the maximum, a memory that is not exported (nobody could see its size), names that are not
 * plain, unknown sections. Memories share the maximum. Source: WebAssembly core specification, sections 5.3 and 5.5.
 *
 * @param file names the module in messages
 * @throws GtpackError `plugin_invalid`, `guest_memory_too_large`
 */
export function boundCoreModule(bytes: Uint8Array, bounds: CoreModuleBounds, file: string): Uint8Array {
  try {
    return new Bounding(bytes, bounds).module();
  } catch (error) {
    if (error instanceof TooLarge) throw new GtpackError('guest_memory_too_large', error.message, { file });
    if (!(error instanceof SectionFault)) throw error;
    throw new GtpackError('plugin_invalid', `The WebAssembly module is refused: ${error.message}.`, { file });
  }
}

class TooLarge extends Error {}

class Bounding {
  readonly #bytes: Uint8Array;
  readonly #maxPages: number;
  readonly #exportedMemories = new Set<number>();
  #memories = 0;
  #importedMemories = 0;
  #tables = 0;

  constructor(bytes: Uint8Array, { maxMemoryBytes }: CoreModuleBounds) {
    this.#bytes = bytes;
    this.#maxPages = Math.floor(maxMemoryBytes / PAGE_BYTES);
  }

  module(): Uint8Array {
    const parts: Uint8Array[] = [this.#bytes.subarray(0, 8)];
    eachSection(this.#bytes, (id, section, start) => {
      const end = section.end;
      switch (id) {
        case SECTION.type:
          checkTypes(section);
          break;
        case SECTION.import:
          this.#checkImports(section);
          break;
        case SECTION.memory:
          parts.push(sectionOf(id, this.#memorySection(section)));
          return;
        case SECTION.table:
          parts.push(sectionOf(id, this.#tableSection(section)));
          return;
        case SECTION.export:
          this.#checkExports(section);
          break;
        default:
          if (id > SECTION.tag) throw new SectionFault(`it has a section of the unknown kind ${id}`);
      }
      parts.push(this.#bytes.subarray(start, end));
    });
    for (let memory = this.#importedMemories; memory < this.#memories; memory += 1) {
      if (!this.#exportedMemories.has(memory))
        throw new SectionFault('it has a memory that it does not export');
    }
    return new Uint8Array(Buffer.concat(parts));
  }

  #checkExports(section: SectionReader): void {
    for (let left = section.count(); left > 0; left -= 1) {
      checkName(section.name());
      const kind = section.byte();
      const index = section.u32();
      if (kind === MEMORY_EXPORT) this.#exportedMemories.add(index);
    }
  }

  #checkImports(section: SectionReader): void {
    for (let left = section.count(); left > 0; left -= 1) {
      checkName(section.name());
      checkName(section.name());
      const kind = section.byte();
      switch (kind) {
        case 0:
          section.u32();
          break;
        case 1:
          this.#countTable();
          checkValueType(section.byte());
          readLimits(section, 'table');
          break;
        case 2:
          this.#countMemory();
          this.#importedMemories += 1;
          readLimits(section, 'memory');
          break;
        case 3:
          checkValueType(section.byte());
          section.byte();
          break;
        case 4:
          section.byte();
          section.u32();
          break;
        default:
          throw new SectionFault(`it has an import of the unknown kind ${kind}`);
      }
    }
  }

  #memorySection(section: SectionReader): number[] {
    const count = section.u32();
    for (let left = count; left > 0; left -= 1) this.#countMemory();
    const share = Math.floor(this.#maxPages / count);
    const out = leb(count);
    for (let left = count; left > 0; left -= 1) {
      const { minimum, maximum } = readLimits(section, 'memory');
      if (minimum > share) {
        throw new TooLarge(
          `The module wants at least ${minimum * PAGE_BYTES} bytes of memory; ${share * PAGE_BYTES} are allowed.`,
        );
      }
      out.push(...boundedLimits(minimum, Math.min(maximum ?? share, share)));
    }
    return out;
  }

  #tableSection(section: SectionReader): number[] {
    const count = section.u32();
    const out = leb(count);
    for (let left = count; left > 0; left -= 1) {
      this.#countTable();
      const type = section.byte();
      // 0x40 begins a table with an initializer, which only typed references need.
      checkValueType(type);
      const { minimum, maximum } = readLimits(section, 'table');
      if (minimum > MAX_TABLE_ELEMENTS) {
        throw new TooLarge(
          `The module wants a table of ${minimum} elements; ${MAX_TABLE_ELEMENTS} are allowed.`,
        );
      }
      out.push(type, ...boundedLimits(minimum, Math.min(maximum ?? MAX_TABLE_ELEMENTS, MAX_TABLE_ELEMENTS)));
    }
    return out;
  }

  #countMemory(): void {
    this.#memories += 1;
    if (this.#memories > MAX_MEMORIES) throw new SectionFault(`it has more than ${MAX_MEMORIES} memories`);
  }

  #countTable(): void {
    this.#tables += 1;
    if (this.#tables > MAX_TABLES) throw new SectionFault(`it has more than ${MAX_TABLES} tables`);
  }
}

function checkTypes(section: SectionReader): void {
  let left = section.u32();
  if (left > MAX_SEGMENTS) throw new SectionFault(`it has ${left} types; at most ${MAX_SEGMENTS} are read`);
  for (; left > 0; left -= 1) {
    const form = section.byte();
    if (form !== FUNCTION_TYPE) {
      throw new SectionFault('it has types of the garbage collector, whose memory cannot be bounded');
    }
    // Parameters, then results.
    for (let list = 0; list < 2; list += 1) {
      for (let values = section.count(); values > 0; values -= 1) checkValueType(section.byte());
    }
  }
}

function checkName(name: string): void {
  if (PLAIN_NAME.test(name)) return;
  throw new SectionFault(
    `the name ${JSON.stringify(name.slice(0, 80))} holds more than ASCII letters, digits and signs without quotes`,
  );
}

function checkValueType(type: number): void {
  if (!VALUE_TYPES.has(type)) {
    throw new SectionFault(`it uses the value type 0x${type.toString(16)}, which is not allowed`);
  }
}

const HAS_MAXIMUM = 1;

function readLimits(
  section: SectionReader,
  what: 'memory' | 'table',
): { readonly minimum: number; readonly maximum: number | undefined } {
  const flags = section.byte();
  if (flags > HAS_MAXIMUM) {
    throw new SectionFault(`it has a ${what} that is shared, 64-bit, or of another page size`);
  }
  const minimum = section.u32();
  return { minimum, maximum: flags === HAS_MAXIMUM ? section.u32() : undefined };
}

function boundedLimits(minimum: number, maximum: number): number[] {
  return [HAS_MAXIMUM, ...leb(minimum), ...leb(maximum)];
}

function sectionOf(id: number, content: readonly number[]): Uint8Array {
  return Uint8Array.from([id, ...leb(content.length), ...content]);
}
