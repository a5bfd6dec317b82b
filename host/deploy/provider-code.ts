import type { ProviderBinding } from '../bundle/bundle.ts';
import type { PluginImport } from '../contract.ts';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { grantExample, isGranted } from '../grant/grants.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { CapabilityRequest, Pack, PackProvider } from '../pack/pack.ts';
import { FREE_IMPORTS } from '../pack/plugin-interface.ts';
import { readWasmInterface } from '../pack/wasm-interface.ts';
import { boundCoreModule } from '../sandbox/core-module.ts';
import type { PluginSpec, ProviderSpec } from '../sandbox/protocol.ts';
import type { Transpiler } from '../sandbox/transpiler.ts';
import { digestOf } from './digest.ts';
import { type ProviderInterface, providerInterface } from './provider-interface.ts';

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
 * Links a provider: every function that its WebAssembly imports has to be free, or requested by its pack and granted by the
 * bundle, unless the pack says that it is of use without.
 * @throws GtpackError `guest_import_refused`, `guest_export_missing`, with every missing request and grant;
 *   `bundle_invalid` for signatures of a provider that takes no requests
 */
export async function codeOf(
  binding: ProviderBinding,
  pack: Pack,
  provider: PackProvider,
  { transpiler, bundleFile, env, tenant, ungranted: whenUngranted = 'refuse' }: LinkTools,
): Promise<ProviderCode> {
  const wasm = readWasmInterface(provider.wasm, `${pack.file} (${provider.component})`);
  const actual = providerInterface(provider, wasm, pack.file, { env, tenant, provider: binding.id });
  const problems: Problem[] = [...actual.problems];
  if (binding.signatures.length > 0 && !provider.exports.includes('ingest')) {
    problems.push({
      code: 'bundle_invalid',
      message: `The provider ${binding.id} takes no requests, so its signatures would check nothing.`,
      cure: 'Leave signatures out.',
      file: bundleFile,
      line: binding.line,
    });
  }
  for (const name of actual.imports) {
    if (whenUngranted === 'deny' || FREE_IMPORTS.includes(name) || isGranted(binding.grants, name)) continue;
    // Linked all the same: the broker denies each call, and says which grant would allow it.
    if (isOptional(provider, name)) continue;
    problems.push(ungranted(binding, name, provider.requests, bundleFile));
  }
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  const { plugin, modules } = await pluginOf(provider, wasm.kind, actual, pack, transpiler);
  return {
    binding,
    provider,
    spec: {
      id: binding.id,
      plugin,
      exports: provider.exports,
      imports: actual.imports,
      config: JSON.stringify(binding.config),
      ...(provider.schemas === undefined ? {} : { schemas: provider.schemas }),
    },
    modules,
  };
}

export interface LinkTools {
  readonly transpiler: Transpiler;
  /** Named where a grant is missing. */
  readonly bundleFile: string;
  readonly env: string;
  readonly tenant: string;
  /** `deny` links what no grant allows, for the broker to deny: to see what a provider would ask for. Default: `refuse`. */
  readonly ungranted?: 'refuse' | 'deny';
}

function isOptional({ requests }: PackProvider, name: PluginImport): boolean {
  return requests.some(({ capability, optional }) => capability === name && optional === true);
}

/** One sentence for each capability that a provider runs without, since its pack says that it can. */
export function ungrantedOptions({ binding, provider, spec }: ProviderCode): string[] {
  return provider.requests
    .filter(({ capability, optional }) => optional === true && spec.imports.includes(capability))
    .filter(({ capability }) => !isGranted(binding.grants, capability))
    .map(({ capability, reason }) => {
      const example = grantExample(capability);
      const cure = example === undefined ? '' : ` To grant it: grants: { ${example} }`;
      return `The provider ${binding.id} runs without the capability "${capability}" (${quoted(reason)}), which is optional: what needs it is denied.${cure}`;
    });
}

function ungranted(
  { id, line }: ProviderBinding,
  name: PluginImport,
  requests: readonly CapabilityRequest[],
  file: string,
): Problem {
  const reason = requests.find(({ capability }) => capability === name)?.reason;
  const example = grantExample(name);
  return {
    code: 'guest_import_refused',
    message: `The provider ${id} needs the capability "${name}"${reason === undefined ? '' : ` (${quoted(reason)})`}, which the bundle does not grant.`,
    cure:
      example === undefined
        ? 'This version of gtpack cannot grant it; use a pack that needs no more.'
        : `To grant it, add to the provider: grants: { ${example} }`,
    file,
    line,
  };
}

async function pluginOf(
  { wasm }: PackProvider,
  kind: 'module' | 'component',
  { waits, binding }: ProviderInterface,
  pack: Pack,
  transpiler: Transpiler,
): Promise<{ readonly plugin: PluginSpec; readonly modules: ReadonlyMap<string, Uint8Array> }> {
  const digest = await digestOf(wasm);
  if (kind === 'module') {
    const bounded = boundCoreModule(wasm, GUEST_BOUNDS, pack.file);
    return { plugin: { kind: 'assemblyscript', module: digest }, modules: new Map([[digest, bounded]]) };
  }
  try {
    const { glue, modules: cores } = await transpiler.transpile(digest, wasm, waits);
    const modules = new Map<string, Uint8Array>();
    const names: Record<string, string> = {};
    for (const [name, bytes] of cores) {
      const core = await digestOf(bytes);
      modules.set(core, boundCoreModule(bytes, GUEST_BOUNDS, pack.file));
      names[name] = core;
    }
    return { plugin: { kind: 'component', glue, modules: names, binding }, modules };
  } catch (error) {
    if (error instanceof GtpackError && error.problems[0].file !== undefined) throw error;
    throw new GtpackError('plugin_invalid', errorMessage(error), { file: pack.file, cause: error });
  }
}
