import {
  PLUGIN_EXPORTS,
  PLUGIN_IMPORTS,
  PLUGIN_PACKAGE,
  PLUGIN_VERSION,
  type PluginExport,
  type PluginImport,
} from '../contract.ts';
import { quoted } from '../event/names.ts';
import type { ProviderKind } from './pack.ts';
import { type TypeMismatch, typeMismatches } from './plugin-shape.ts';
import { IMPORT_TYPES } from './plugin-types.ts';
import type { WasmImport, WasmInterface } from './wasm-interface.ts';

/** What a binary offers and needs, in the words of WIT package `gtpack:plugin`. */
export interface PluginInterface {
  readonly exports: readonly PluginExport[];
  /** Capabilities that it imports, in the order of the contract. */
  readonly imports: readonly PluginImport[];
  /** Imports that no host function answers. */
  readonly foreign: readonly string[];
  /** Functions of the contract that it has with other types. */
  readonly mismatches: readonly TypeMismatch[];
}

/** Linked without a request. */
export const FREE_IMPORTS: readonly PluginImport[] = ['config', 'log'];

/** What the sandbox gives every component, denying what lies outside: toolchains import it whether it is used or not. */
export const WASI = /^wasi:(?:cli|clocks|filesystem|io|random|sockets)\/[a-z-]+@0\.2\.\d+$/;

/** The export without which a provider of a kind cannot work. */
export const KIND_EXPORTS: Readonly<Record<ProviderKind, PluginExport | undefined>> = {
  webhook: 'ingest',
  timer: 'tick',
  email: 'ingest',
  sms: 'ingest',
  custom: undefined,
};

/** The name that a binary imports or exports an interface by. */
export function interfaceName(name: PluginExport | PluginImport | 'types'): string {
  return `${PLUGIN_PACKAGE}/${name}@${PLUGIN_VERSION}`;
}

export function pluginInterface(wasm: WasmInterface): PluginInterface {
  const exported = new Set(
    wasm.exports
      .filter(({ kind }) => kind === (wasm.kind === 'module' ? 'function' : 'interface'))
      .map(({ name }) => name),
  );
  const exports = PLUGIN_EXPORTS.filter((name) =>
    exported.has(wasm.kind === 'module' ? name : interfaceName(name)),
  );
  const modules = new Set(
    wasm.imports
      .filter(({ kind }) => kind === (wasm.kind === 'module' ? 'function' : 'interface'))
      .map(({ module }) => module),
  );
  const imports = PLUGIN_IMPORTS.filter((name) => modules.has(interfaceName(name)));
  const foreign = new Set<string>();
  for (const item of wasm.imports) for (const name of foreignIn(item, wasm, imports)) foreign.add(name);
  return { exports, imports, foreign: [...foreign], mismatches: typeMismatches(wasm, exports, imports) };
}

/** What of one import no host function answers. */
function foreignIn(item: WasmImport, wasm: WasmInterface, imports: readonly PluginImport[]): string[] {
  const { module, name, kind, extern } = item;
  const own = imports.find((each) => interfaceName(each) === module);
  if (wasm.kind === 'module') {
    const isAbort = module === 'env' && name === 'abort';
    const isOwn = own !== undefined && Object.hasOwn(IMPORT_TYPES[own], name);
    return kind === 'function' && (isAbort || isOwn) ? [] : [`${module} ${name}`];
  }
  // Types alone are nothing that a host could refuse.
  if (kind === 'type') return [];
  if (kind !== 'interface' || extern?.kind !== 'interface') return [module];
  if (WASI.test(module)) return [];
  if (own === undefined && module !== interfaceName('types')) return [module];
  const known = own === undefined ? {} : IMPORT_TYPES[own];
  return [...extern.exports]
    .filter(([fn, { kind: of }]) => of !== 'type' && !(of === 'function' && Object.hasOwn(known, fn)))
    .map(([fn]) => `${module} ${fn}`);
}

/** What a pack says of a provider, as far as its binary can bear it out. */
export interface ProviderDeclaration {
  readonly id: string;
  readonly exports: readonly PluginExport[];
  readonly operations: readonly { readonly name: string }[];
  readonly requests: readonly { readonly capability: PluginImport }[];
}

export interface InterfaceFault {
  readonly kind:
    | 'export_missing'
    | 'request_missing'
    | 'import_foreign'
    | 'type_mismatch'
    | 'request_unused'
    | 'export_undeclared';
  readonly message: string;
  /** What to change in `pack.yaml`, or in the source. */
  readonly cure: string;
}

/** How a binary differs from what its pack says. The last two kinds do no harm at run time; a build refuses them all. */
export function compareInterface(provider: ProviderDeclaration, actual: PluginInterface): InterfaceFault[] {
  const who = `The provider ${quoted(provider.id)}`;
  const requested = new Set(provider.requests.map(({ capability }) => capability));
  const faults: InterfaceFault[] = [];
  for (const name of provider.exports) {
    if (actual.exports.includes(name)) continue;
    faults.push({
      kind: 'export_missing',
      message: `${who} has to export "${name}", and its WebAssembly does not.`,
      cure: `Export a function ${name} in the provider's source.`,
    });
  }
  for (const name of actual.imports) {
    if (requested.has(name) || FREE_IMPORTS.includes(name)) continue;
    faults.push({
      kind: 'request_missing',
      message: `${who} imports "${name}" without requesting it.`,
      cure: `Add to its requests in pack.yaml: - { capability: ${name}, reason: "why it is needed" }`,
    });
  }
  for (const name of actual.foreign) {
    faults.push({
      kind: 'import_foreign',
      message: `${who} imports ${quoted(name)}, which this host does not offer.`,
      cure: `Use only ${PLUGIN_IMPORTS.join(', ')} of ${PLUGIN_PACKAGE}@${PLUGIN_VERSION}.`,
    });
  }
  for (const { part, expected, actual: came } of actual.mismatches) {
    faults.push({
      kind: 'type_mismatch',
      message: `${who} has ${part} as ${came}; expected ${expected}.`,
      cure: `Build it against ${PLUGIN_PACKAGE}@${PLUGIN_VERSION}, as the SDK has it.`,
    });
  }
  for (const name of requested) {
    if (actual.imports.includes(name)) continue;
    faults.push({
      kind: 'request_unused',
      message: `${who} requests "${name}" and never imports it.`,
      cure: `Take the request for ${name} out of pack.yaml.`,
    });
  }
  for (const name of actual.exports) {
    if (provider.exports.includes(name)) continue;
    faults.push({
      kind: 'export_undeclared',
      message: `${who} exports "${name}" without declaring it.`,
      cure:
        name === 'invoke'
          ? 'List what it offers under its operations in pack.yaml: - { name: …, description: "…" }'
          : `Declare it in pack.yaml: exports: [${[...provider.exports, name].join(', ')}]`,
    });
  }
  return faults;
}
