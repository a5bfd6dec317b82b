import { eachSection, SectionFault, type SectionReader } from '../wasm-reader.ts';
import type { ExternKind, WasmExport, WasmImport, WasmInterface } from './wasm-interface.ts';

/** Of a function of a core module. */
export interface CoreSignature {
  readonly parameters: readonly CoreType[];
  readonly results: readonly CoreType[];
}

/** `ref` stands for every reference: none crosses between the host and a plugin. */
export type CoreType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'ref';

const SECTION = { type: 1, import: 2, function: 3, export: 7 } as const;
const FUNCTION_TYPE = 0x60;
const VALUE_TYPES: ReadonlyMap<number, CoreType> = new Map([
  [0x7f, 'i32'],
  [0x7e, 'i64'],
  [0x7d, 'f32'],
  [0x7c, 'f64'],
  [0x7b, 'v128'],
  [0x70, 'ref'],
  [0x6f, 'ref'],
]);
/** Types, functions and their parameters together. */
const MAX_ITEMS = 1_000_000;

/** What a core module imports and exports. @throws SectionFault */
export function readCoreInterface(bytes: Uint8Array): WasmInterface {
  const reading = new CoreReading();
  eachSection(bytes, (id, section) => reading.section(id, section));
  const { imports, exports } = reading;
  return { kind: 'module', imports, exports };
}

class CoreReading {
  readonly imports: WasmImport[] = [];
  readonly exports: WasmExport[] = [];
  readonly #types: CoreSignature[] = [];
  /** Of all functions, imported ones first. */
  readonly #functions: CoreSignature[] = [];
  #items = 0;

  section(id: number, section: SectionReader): void {
    switch (id) {
      case SECTION.type:
        this.#each(section, () => this.#types.push(this.#signature(section)));
        break;
      case SECTION.import:
        for (let left = section.count(); left > 0; left -= 1) this.#import(section);
        break;
      case SECTION.function:
        this.#each(section, () => this.#functions.push(this.#typeAt(section.u32())));
        break;
      case SECTION.export:
        for (let left = section.count(); left > 0; left -= 1) this.#export(section);
        break;
      default:
    }
  }

  /** A large module has more functions than any list of names may have. */
  #each(section: SectionReader, read: () => void): void {
    for (let left = section.u32(); left > 0; left -= 1) {
      this.#items += 1;
      if (this.#items > MAX_ITEMS) throw new SectionFault(`it lists more than ${MAX_ITEMS} items`);
      read();
    }
  }

  #signature(section: SectionReader): CoreSignature {
    if (section.byte() !== FUNCTION_TYPE) {
      throw new SectionFault('it has types of the garbage collector, whose memory cannot be bounded');
    }
    return { parameters: this.#values(section), results: this.#values(section) };
  }

  #values(section: SectionReader): CoreType[] {
    const values: CoreType[] = [];
    this.#each(section, () => {
      const code = section.byte();
      const type = VALUE_TYPES.get(code);
      if (type === undefined)
        throw new SectionFault(`it uses the value type 0x${code.toString(16)}, which is not allowed`);
      values.push(type);
    });
    return values;
  }

  #typeAt(index: number): CoreSignature {
    const signature = this.#types[index];
    if (signature === undefined) throw new SectionFault(`there is no type ${index}`);
    return signature;
  }

  #import(section: SectionReader): void {
    const module = section.name();
    const name = section.name();
    const kind = coreExtern(section.byte());
    switch (kind) {
      case 'function': {
        const signature = this.#typeAt(section.u32());
        this.#functions.push(signature);
        this.imports.push({ module, name, kind, signature });
        return;
      }
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
    this.imports.push({ module, name, kind });
  }

  #export(section: SectionReader): void {
    const name = section.name();
    const kind = coreExtern(section.byte());
    const index = section.u32();
    if (kind !== 'function') {
      this.exports.push({ name, kind });
      return;
    }
    const signature = this.#functions[index];
    if (signature === undefined) throw new SectionFault(`there is no function ${index} to export`);
    this.exports.push({ name, kind, signature });
  }
}

function coreExtern(byte: number): ExternKind {
  const kind = (['function', 'table', 'memory', 'global', 'tag'] as const)[byte];
  if (kind === undefined) throw new SectionFault(`there is an unknown kind of import or export, ${byte}`);
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
