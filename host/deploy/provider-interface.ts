import { isWaitingImport, type PluginExport, type PluginImport, WAITING_FUNCTIONS } from '../contract.ts';
import type { Problem } from '../errors.ts';
import { capabilitiesOf, fieldAdapterOf, fieldWaitsOf, isFieldAdapter } from '../interop/field-adapter.ts';
import type { FieldBindingSpec } from '../interop/field-binding.ts';
import type { PackProvider } from '../pack/pack.ts';
import { compareInterface, interfaceName, pluginInterface } from '../pack/plugin-interface.ts';
import type { WasmInterface } from '../pack/wasm-interface.ts';
import type { ComponentWaits } from '../sandbox/transpiler.ts';

/** What a provider's WebAssembly asks for, and how it is linked with that. */
export interface ProviderInterface {
  /** In the order of the contract. */
  readonly imports: readonly PluginImport[];
  /** Of a component. */
  readonly waits: ComponentWaits;
  /** For a component that was built for another host. */
  readonly binding: FieldBindingSpec | null;
  /** What keeps it from being linked at all, whatever is granted. */
  readonly problems: readonly Problem[];
}

/** Who a component that was built for another host is told that it works for. */
export interface ProviderPlace {
  readonly env: string;
  readonly tenant: string;
  /** In the bundle. */
  readonly provider: string;
}

export function providerInterface(
  provider: PackProvider,
  wasm: WasmInterface,
  packFile: string,
  place: ProviderPlace,
): ProviderInterface {
  return provider.model === 'field'
    ? fieldInterface(wasm, packFile, place)
    : ownInterface(provider, wasm, packFile);
}

function ownInterface(provider: PackProvider, wasm: WasmInterface, file: string): ProviderInterface {
  const actual = pluginInterface(wasm);
  const problems: Problem[] = [];
  for (const fault of compareInterface(provider, actual)) {
    if (fault.kind === 'export_missing') problems.push({ ...fault, code: 'guest_export_missing', file });
    if (fault.kind === 'import_foreign' || fault.kind === 'request_missing') {
      problems.push({ ...fault, code: 'guest_import_refused', file });
    }
    if (fault.kind === 'type_mismatch') problems.push({ ...fault, code: 'guest_type_mismatch', file });
  }
  return {
    imports: actual.imports,
    waits: ownWaits(actual.imports, provider.exports),
    binding: null,
    problems,
  };
}

/** A component that imports a waiting function may be suspended in any of its exports. */
function ownWaits(imports: readonly PluginImport[], exports: readonly PluginExport[]): ComponentWaits {
  const waiting = imports.filter(isWaitingImport);
  return {
    imports: waiting.flatMap((name) => WAITING_FUNCTIONS[name].map((fn) => `${interfaceName(name)}#${fn}`)),
    exports: waiting.length === 0 ? [] : exports.map((name) => `${interfaceName(name)}#${name}`),
  };
}

function fieldInterface(wasm: WasmInterface, file: string, place: ProviderPlace): ProviderInterface {
  const adapter = fieldAdapterOf(wasm);
  if (!isFieldAdapter(adapter)) {
    const problems = adapter.map((fault): Problem => ({ ...fault, code: 'guest_import_refused', file }));
    return { imports: [], waits: { imports: [], exports: [] }, binding: null, problems };
  }
  return {
    imports: capabilitiesOf(adapter),
    waits: fieldWaitsOf(adapter),
    binding: { adapter, ...place },
    problems: [],
  };
}
