import { PLUGIN_PACKAGE, PLUGIN_VERSION, type PluginExport, type PluginImport } from '../contract.ts';
import { type FunctionType, functionText, sameFunction } from './component-types.ts';
import type { CoreSignature } from './core-interface.ts';
import { EXPORT_TYPES, IMPORT_TYPES } from './plugin-types.ts';
import type { WasmInterface } from './wasm-interface.ts';

/** A function that a binary has with other types than the contract. */
export interface TypeMismatch {
  /** `the export "ingest"`, `the import "http.send"`. */
  readonly part: string;
  /** In the manner of WIT, or of WebAssembly for a module. */
  readonly expected: string;
  readonly actual: string;
}

/** A type of a stranger's may be as long as it likes. */
const MAX_TEXT = 400;

/**
 * Compares the functions of a binary with the contract: those of a component by their types, those of a module by their
 * signatures, where every text is a pointer.
 */
export function typeMismatches(
  wasm: WasmInterface,
  exports: readonly PluginExport[],
  imports: readonly PluginImport[],
): TypeMismatch[] {
  return wasm.kind === 'module'
    ? moduleMismatches(wasm, exports, imports)
    : componentMismatches(wasm, exports, imports);
}

function componentMismatches(
  wasm: WasmInterface,
  exports: readonly PluginExport[],
  imports: readonly PluginImport[],
): TypeMismatch[] {
  const found: TypeMismatch[] = [];
  const compare = (part: string, expected: FunctionType, actual: FunctionType | undefined): void => {
    if (actual !== undefined && sameFunction(expected, actual)) return;
    found.push({
      part,
      expected: functionText(expected),
      actual: actual === undefined ? 'an interface without that function' : cut(functionText(actual)),
    });
  };
  for (const name of exports) {
    const extern = wasm.exports.find((item) => item.name === interfaceName(name))?.extern;
    const fn = extern?.kind === 'interface' ? extern.exports.get(name) : undefined;
    compare(`the export "${name}"`, EXPORT_TYPES[name], fn?.kind === 'function' ? fn.type : undefined);
  }
  for (const name of imports) {
    const extern = wasm.imports.find((item) => item.module === interfaceName(name))?.extern;
    if (extern?.kind !== 'interface') continue;
    for (const [fn, item] of extern.exports) {
      const expected = IMPORT_TYPES[name][fn];
      if (expected !== undefined && item.kind === 'function')
        compare(`the import "${name}.${fn}"`, expected, item.type);
    }
  }
  return found;
}

/** What AssemblyScript's `--exportRuntime` adds, as the host calls it. */
const RUNTIME: Readonly<Record<string, CoreSignature>> = {
  __new: { parameters: ['i32', 'i32'], results: ['i32'] },
  __pin: { parameters: ['i32'], results: ['i32'] },
  __unpin: { parameters: ['i32'], results: [] },
  __collect: { parameters: [], results: [] },
};
const ABORT: CoreSignature = { parameters: ['i32', 'i32', 'i32', 'i32'], results: [] };

function moduleMismatches(
  wasm: WasmInterface,
  exports: readonly PluginExport[],
  imports: readonly PluginImport[],
): TypeMismatch[] {
  const found: TypeMismatch[] = [];
  const compare = (part: string, expected: CoreSignature, actual: CoreSignature | undefined): void => {
    if (actual === undefined || signatureText(expected) === signatureText(actual)) return;
    found.push({ part, expected: signatureText(expected), actual: cut(signatureText(actual)) });
  };
  for (const { name, signature } of wasm.exports) {
    const own = exports.find((each) => each === name);
    const expected = own === undefined ? RUNTIME[name] : pointersOf(EXPORT_TYPES[own]);
    if (expected !== undefined) compare(`the export "${name}"`, expected, signature);
  }
  for (const { module, name, signature } of wasm.imports) {
    if (module === 'env' && name === 'abort') compare('the import "env.abort"', ABORT, signature);
    const own = imports.find((each) => interfaceName(each) === module);
    const expected = own === undefined ? undefined : IMPORT_TYPES[own][name];
    if (expected !== undefined) compare(`the import "${own}.${name}"`, pointersOf(expected), signature);
  }
  return found;
}

function pointersOf({ parameters, result }: FunctionType): CoreSignature {
  return { parameters: parameters.map(() => 'i32'), results: result === undefined ? [] : ['i32'] };
}

function signatureText({ parameters, results }: CoreSignature): string {
  return `(${parameters.join(', ')}) -> (${results.join(', ')})`;
}

function interfaceName(name: string): string {
  return `${PLUGIN_PACKAGE}/${name}@${PLUGIN_VERSION}`;
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
