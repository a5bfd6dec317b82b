import { GtpackError } from '../errors.ts';
import { SectionFault, SectionReader } from '../wasm-reader.ts';
import { readComponentShape } from './component-reader.ts';
import type { ComponentExtern } from './component-types.ts';
import { type CoreSignature, readCoreInterface } from './core-interface.ts';

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
  /** Of a function of a module. */
  readonly signature?: CoreSignature;
  /** Of a component: the types of what is imported. */
  readonly extern?: ComponentExtern;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: ExternKind;
  /** Of a function of a module. */
  readonly signature?: CoreSignature;
  /** Of a component: the types of what is exported. */
  readonly extern?: ComponentExtern;
}

export type ExternKind =
  | 'function'
  | 'table'
  | 'memory'
  | 'global'
  | 'tag'
  | 'interface'
  | 'type'
  | 'resource'
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
    return kind === 'module' ? readCoreInterface(bytes) : readComponent(bytes);
  } catch (error) {
    if (!(error instanceof SectionFault)) throw error;
    throw new GtpackError('plugin_invalid', `The WebAssembly ${kind} cannot be read: ${error.message}.`, {
      file,
    });
  }
}

function readComponent(bytes: Uint8Array): WasmInterface {
  const { imports, exports } = readComponentShape(new SectionReader(bytes, 0, bytes.length));
  return {
    kind: 'component',
    imports: [...imports].map(([module, extern]) => ({ module, name: '', kind: extern.kind, extern })),
    exports: [...exports].map(([name, extern]) => ({ name, kind: extern.kind, extern })),
  };
}
