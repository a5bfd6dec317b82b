import { GtpackError } from '../errors.ts';
import { eachSection, SectionFault, type SectionReader } from '../wasm-reader.ts';

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
