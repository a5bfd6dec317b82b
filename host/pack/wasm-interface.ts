import { GtpackError } from '../errors.ts';

/**
 * What a WebAssembly binary imports and exports, read from its sections without compiling it: the bytes are a
 * stranger's, and this runs in the main process.
 *
 * Sources: WebAssembly core specification, chapter 5; component model, design/mvp/Binary.md.
 */

export type WasmKind = 'module' | 'component';

export interface WasmInterface {
  readonly kind: WasmKind;
  readonly imports: readonly WasmImport[];
  /** Names; of a component, its interfaces and functions. */
  readonly exports: readonly WasmExport[];
}

export interface WasmImport {
  /** Of a component, the whole name, as in `gtpack:plugin/log@0.1.0`. */
  readonly module: string;
  /** Empty for a component. */
  readonly name: string;
  readonly kind: ExternKind;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: ExternKind;
}

export type ExternKind =
  | 'function'
  | 'table'
  | 'memory'
  | 'global'
  | 'tag'
  | 'interface'
  | 'type'
  | 'module'
  | 'component'
  | 'value';

const MAX_NAMES = 10_000;
const MAX_NAME_BYTES = 1024;
const MAGIC = '\0asm';
const CORE_VERSION = 1;
const COMPONENT_VERSION = 0x0001_000d;

/** By the bytes alone, or undefined for what is no WebAssembly binary of a version that is read. */
export function wasmKind(bytes: Uint8Array): WasmKind | undefined {
  if (bytes.length < 8 || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== MAGIC) return undefined;
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (version === CORE_VERSION) return 'module';
  return version === COMPONENT_VERSION ? 'component' : undefined;
}

/**
 * @param file names the binary in messages
 * @throws GtpackError `plugin_invalid`
 */
export function readWasmInterface(bytes: Uint8Array, file: string): WasmInterface {
  const kind = wasmKind(bytes);
  if (kind === undefined) {
    throw new GtpackError('plugin_invalid', 'It is neither a WebAssembly module nor a component.', { file });
  }
  try {
    return kind === 'module' ? readModule(bytes) : readComponent(bytes);
  } catch (error) {
    if (!(error instanceof SectionFault)) throw error;
    throw new GtpackError('plugin_invalid', `The WebAssembly ${kind} cannot be read: ${error.message}.`, {
      file,
    });
  }
}

class SectionFault extends Error {
  override readonly name = 'SectionFault';
}

/** Reads numbers and names from a part of the binary, and never past its end. */
class SectionReader {
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

  /** A number whose value does not matter, of up to 64 bits. */
  skipNumber(): void {
    for (let length = 0; length < 10; length += 1) if (this.byte() < 0x80) return;
    throw new SectionFault(`there is a number of more than 64 bits before byte ${this.#position}`);
  }

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

/** Calls `read` for each section of the outermost level. */
function eachSection(bytes: Uint8Array, read: (id: number, section: SectionReader) => void): void {
  const reader = new SectionReader(bytes, 8, bytes.length);
  while (!reader.done) {
    const id = reader.byte();
    const section = reader.part(reader.u32());
    read(id, section);
  }
}

function readModule(bytes: Uint8Array): WasmInterface {
  const imports: WasmImport[] = [];
  const exports: WasmExport[] = [];
  eachSection(bytes, (id, section) => {
    if (id === 2) {
      for (let left = section.count(); left > 0; left -= 1) {
        const module = section.name();
        const name = section.name();
        imports.push({ module, name, kind: importedExtern(section) });
      }
    } else if (id === 7) {
      for (let left = section.count(); left > 0; left -= 1) {
        const name = section.name();
        const kind = coreExtern(section.byte());
        section.u32();
        exports.push({ name, kind });
      }
    }
  });
  return { kind: 'module', imports, exports };
}

function coreExtern(byte: number): ExternKind {
  const kind = (['function', 'table', 'memory', 'global', 'tag'] as const)[byte];
  if (kind === undefined) throw new SectionFault(`there is an unknown kind of import or export, ${byte}`);
  return kind;
}

function importedExtern(section: SectionReader): ExternKind {
  const kind = coreExtern(section.byte());
  switch (kind) {
    case 'function':
      section.u32();
      break;
    case 'table':
      skipValueType(section);
      skipLimits(section);
      break;
    case 'memory':
      skipLimits(section);
      break;
    case 'global':
      skipValueType(section);
      section.byte();
      break;
    default:
      section.byte();
      section.u32();
  }
  return kind;
}

function skipValueType(section: SectionReader): void {
  const type = section.byte();
  // A reference to a heap type, which follows.
  if (type === 0x63 || type === 0x64) section.skipNumber();
}

function skipLimits(section: SectionReader): void {
  const flags = section.byte();
  section.skipNumber();
  if ((flags & 1) === 1) section.skipNumber();
}

function readComponent(bytes: Uint8Array): WasmInterface {
  const imports: WasmImport[] = [];
  const exports: WasmExport[] = [];
  eachSection(bytes, (id, section) => {
    if (id === 10) {
      for (let left = section.count(); left > 0; left -= 1) {
        const module = componentName(section);
        imports.push({ module, name: '', kind: componentExtern(section) });
      }
    } else if (id === 11) {
      for (let left = section.count(); left > 0; left -= 1) {
        const name = componentName(section);
        const kind = componentSort(section);
        section.u32();
        if (section.byte() === 1) componentExtern(section);
        exports.push({ name, kind });
      }
    }
  });
  return { kind: 'component', imports, exports };
}

function componentName(section: SectionReader): string {
  const form = section.byte();
  if (form > 1) throw new SectionFault(`there is an unknown form of name, ${form}`);
  return section.name();
}

const COMPONENT_SORTS = ['module', 'function', 'value', 'type', 'component', 'interface'] as const;

function componentSort(section: SectionReader): ExternKind {
  const kind = COMPONENT_SORTS[section.byte()];
  if (kind === undefined) throw new SectionFault('there is an unknown kind of export');
  // The first byte only says that it is of the core; the second says that it is a module, the one sort that may stand here.
  if (kind === 'module') section.byte();
  return kind;
}

/** The type that an import must have, of which only the kind matters. */
function componentExtern(section: SectionReader): ExternKind {
  const kind = COMPONENT_SORTS[section.byte()];
  switch (kind) {
    case undefined:
      throw new SectionFault('there is an unknown kind of import');
    case 'module':
      section.byte();
      section.u32();
      break;
    case 'value':
      section.byte();
      section.skipNumber();
      break;
    case 'type':
      if (section.byte() === 0) section.u32();
      break;
    default:
      section.u32();
  }
  return kind;
}
