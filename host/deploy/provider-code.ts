import type { ProviderBinding } from '../bundle/bundle.ts';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Pack, PackProvider } from '../pack/pack.ts';
import { compareInterface, FREE_IMPORTS, pluginInterface } from '../pack/plugin-interface.ts';
import { readWasmInterface } from '../pack/wasm-interface.ts';
import { boundCoreModule } from '../sandbox/core-module.ts';
import type { PluginSpec, ProviderSpec } from '../sandbox/protocol.ts';
import type { Transpiler } from '../sandbox/transpiler.ts';
import { digestOf } from './digest.ts';

const GUEST_BOUNDS = { maxMemoryBytes: DEFAULT_LIMITS.maxGuestMemoryBytes };

/** A provider of a tenant, ready for its cell. */
export interface ProviderCode {
  readonly binding: ProviderBinding;
  readonly provider: PackProvider;
  readonly spec: ProviderSpec;
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

/** The provider of a pack that a bundle's provider means: the only one, or the one with its id. */
export function chooseProvider(binding: ProviderBinding, pack: Pack, bundleFile: string): PackProvider {
  const [only, ...others] = pack.providers;
  if (only !== undefined && others.length === 0) return only;
  const chosen = pack.providers.find(({ id }) => id === binding.id);
  if (chosen !== undefined) return chosen;
  throw new GtpackError(
    'pack_provider_unknown',
    pack.providers.length === 0
      ? `The pack ${pack.id} holds no provider.`
      : `The pack ${pack.id} holds the providers ${pack.providers.map(({ id }) => id).join(', ')}, and none is called ${binding.id}.`,
    {
      file: bundleFile,
      line: binding.line,
      cure: 'Give the provider in the bundle the id of the one that is meant.',
    },
  );
}

/**
 * Links a provider: every function that its WebAssembly imports has to be free or granted, and this version grants none.
 * @throws GtpackError `guest_import_refused`, `guest_export_missing`, with every missing request
 */
export async function codeOf(
  binding: ProviderBinding,
  pack: Pack,
  provider: PackProvider,
  transpiler: Transpiler,
): Promise<ProviderCode> {
  const wasm = readWasmInterface(provider.wasm, `${pack.file} (${provider.component})`);
  const actual = pluginInterface(wasm);
  const problems: Problem[] = [];
  for (const fault of compareInterface(provider, actual)) {
    if (fault.kind === 'export_missing')
      problems.push({ ...fault, code: 'guest_export_missing', file: pack.file });
    if (fault.kind === 'import_foreign' || fault.kind === 'request_missing') {
      problems.push({ ...fault, code: 'guest_import_refused', file: pack.file });
    }
  }
  for (const name of actual.imports) {
    if (FREE_IMPORTS.includes(name)) continue;
    problems.push({
      code: 'guest_import_refused',
      message: `The provider ${binding.id} needs the capability "${name}", which nothing grants.`,
      cure: 'This version of gtpack grants config and log only; use a pack that needs no more.',
      file: pack.file,
    });
  }
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  const { plugin, modules } = await pluginOf(provider, wasm.kind, pack, transpiler);
  return {
    binding,
    provider,
    spec: {
      id: binding.id,
      plugin,
      exports: provider.exports,
      imports: actual.imports,
      config: JSON.stringify(binding.config),
    },
    modules,
  };
}

async function pluginOf(
  { wasm }: PackProvider,
  kind: 'module' | 'component',
  pack: Pack,
  transpiler: Transpiler,
): Promise<{ readonly plugin: PluginSpec; readonly modules: ReadonlyMap<string, Uint8Array> }> {
  const digest = await digestOf(wasm);
  if (kind === 'module') {
    const bounded = boundCoreModule(wasm, GUEST_BOUNDS, pack.file);
    return { plugin: { kind: 'assemblyscript', module: digest }, modules: new Map([[digest, bounded]]) };
  }
  try {
    const { glue, modules: cores } = await transpiler.transpile(digest, wasm);
    const modules = new Map<string, Uint8Array>();
    const names: Record<string, string> = {};
    for (const [name, bytes] of cores) {
      const core = await digestOf(bytes);
      modules.set(core, boundCoreModule(bytes, GUEST_BOUNDS, pack.file));
      names[name] = core;
    }
    return { plugin: { kind: 'component', glue, modules: names }, modules };
  } catch (error) {
    if (error instanceof GtpackError && error.problems[0].file !== undefined) throw error;
    throw new GtpackError('plugin_invalid', errorMessage(error), { file: pack.file, cause: error });
  }
}
