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
import type { WasmInterface } from './wasm-interface.ts';

/** What a binary offers and needs, in the words of WIT package `gtpack:plugin`. */
export interface PluginInterface {
  readonly exports: readonly PluginExport[];
  /** Capabilities that it imports, in the order of the contract. */
  readonly imports: readonly PluginImport[];
  /** Imports that no host function answers. */
  readonly foreign: readonly string[];
}

/** Linked without a request. */
export const FREE_IMPORTS: readonly PluginImport[] = ['config', 'log'];

/** What the sandbox gives every component, denying what lies outside: toolchains import it whether it is used or not. */
const WASI = /^wasi:(?:cli|clocks|filesystem|io|random|sockets)\/[a-z-]+@0\.2\.\d+$/;

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
  const modules = new Set(wasm.imports.map(({ module }) => module));
  const imports = PLUGIN_IMPORTS.filter((name) => modules.has(interfaceName(name)));
  const answered = new Set(imports.map(interfaceName));
  const foreign = new Set<string>();
  for (const { module, name } of wasm.imports) {
    const given =
      wasm.kind === 'module'
        ? module === 'env' && name === 'abort'
        : module === interfaceName('types') || WASI.test(module);
    const known = given || answered.has(module);
    if (!known) foreign.add(name === '' ? module : `${module} ${name}`);
  }
  return { exports, imports, foreign: [...foreign] };
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
