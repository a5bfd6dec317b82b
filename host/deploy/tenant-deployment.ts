import { dirname, relative } from 'node:path';
import type { Bundle, ProviderBinding, TenantBundle } from '../bundle/bundle.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { FlowProgramSpec } from '../flow/cell-program.ts';
import { orderedProblems } from '../flow/check-waits.ts';
import type { Flow } from '../flow/flow.ts';
import type { FlowReach, ReachableProvider } from '../flow/flow-reach.ts';
import type { Grants } from '../grant/grants.ts';
import type { Limits } from '../limits.ts';
import type { Pack } from '../pack/pack.ts';
import type { TenantCode } from '../sandbox/sandbox.ts';
import type { Transpiler } from '../sandbox/transpiler.ts';
import type { ScheduleEntry } from '../schedule/schedule.ts';
import { chooseProvider, codeOf, type ProviderCode } from './provider-code.ts';
import { type DeployedSource, loadFlows, packFlows, readFlowFile } from './tenant-flows.ts';
import { schedulesOf } from './tenant-schedules.ts';

/** A tenant as its bundle and packs make it: all that the host needs to serve it. */
export interface TenantDeployment {
  readonly id: TenantId;
  readonly limits: Limits;
  /** Its events are processed in strict order. */
  readonly ordered: boolean;
  readonly providers: readonly ProviderCode[];
  readonly flows: readonly Flow[];
  readonly schedules: readonly ScheduleEntry[];
  readonly code: TenantCode;
  /** What the bundle grants by source: the provider's id, or `flow:<name>`. */
  readonly grants: ReadonlyMap<string, Grants>;
  /** `id@version` of the pack that it came with, by source; a flow of the bundle itself has none. */
  readonly packs: ReadonlyMap<string, string>;
  /** Converted flows that cannot be run, one sentence each. */
  readonly leftOut: readonly string[];
}

export interface DeployTools {
  readonly bundle: Bundle;
  readonly transpiler: Transpiler;
  readonly scriptModule: { readonly digest: string; readonly wasm: Uint8Array };
  readonly packOf: (binding: ProviderBinding) => Pack;
  /** Of all tenants so far, by digest: however many use a pack, its modules are held once. */
  readonly modules: Map<string, Uint8Array>;
}

/**
 * Puts a tenant together: chooses and links its providers, loads and checks its flows.
 * @throws GtpackError with every problem of its flows, or of the first provider that has one
 */
export async function deployTenant(tenant: TenantBundle, tools: DeployTools): Promise<TenantDeployment> {
  const providers: ProviderCode[] = [];
  const packs: [ProviderBinding, Pack][] = [];
  for (const binding of tenant.providers) {
    if (!binding.enabled) continue;
    const pack = tools.packOf(binding);
    const provider = chooseProvider(binding, pack, tools.bundle.file);
    const code = await codeOf(binding, pack, provider, {
      transpiler: tools.transpiler,
      bundleFile: tools.bundle.file,
      env: tools.bundle.env,
      tenant: tenant.id,
    });
    providers.push({ ...code, modules: shared(code.modules, tools.modules) });
    packs.push([binding, pack]);
  }
  const { flows: deployed, leftOut } = await loadFlows(await sourcesOf(tenant, packs, providers));
  const flows = deployed.map(({ flow }) => shownFrom(dirname(tools.bundle.file), flow));
  const [first, ...rest] = tenant.ordered
    ? orderedProblems(
        tenant.id,
        deployed.map(({ flow }) => flow),
      )
    : [];
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return {
    id: tenant.id,
    limits: tenant.limits,
    ordered: tenant.ordered,
    providers,
    flows,
    schedules: schedulesOf(
      tenant.id,
      deployed.map(({ flow }) => flow),
      providers,
    ),
    code: tenantCode(tenant, providers, flows, tools),
    grants: new Map([
      ...providers.map(({ binding }) => [binding.id, binding.grants] as const),
      ...deployed.map(({ flow, grants }) => [`flow:${flow.name}`, grants] as const),
    ]),
    packs: new Map([
      ...packs.map(([{ id }, pack]) => [id, packName(pack)] as const),
      ...deployed.flatMap(({ flow, pack }) => (pack === null ? [] : [[`flow:${flow.name}`, pack] as const])),
    ]),
    leftOut,
  };
}

/** Errors of runs name the file, and tenants read them: where the bundle lies on the machine is none of their business. */
function shownFrom(folder: string, flow: Flow): Flow {
  return { ...flow, file: relative(folder, flow.file) };
}

/**
 * A pack's flows have the grants of the provider that it was installed as, of several the first; the bundle's own have
 * those of the tenant.
 */
async function sourcesOf(
  tenant: TenantBundle,
  packs: readonly [ProviderBinding, Pack][],
  providers: readonly ProviderCode[],
): Promise<DeployedSource[]> {
  const reachable = new Map<string, ReachableProvider>(
    providers.map(({ binding, provider: { kind, model, exports, operations } }) => [
      binding.id,
      {
        kind,
        invokes: exports.includes('invoke'),
        operations: model === 'field' ? null : operations.map(({ name }) => name),
      },
    ]),
  );
  const sources: DeployedSource[] = [];
  for (const [index, [{ id, grants }, pack]] of packs.entries()) {
    // A pack with several providers is in the list as often, and brings its flows once.
    if (packs.findIndex(([, other]) => other === pack) < index) continue;
    const names = namesIn(pack, packs, providers);
    const reach: FlowReach = { grants, grantee: `the provider ${id}`, providers: reachable, own: names };
    // A provider of another pack may have the id that a converted flow means one of its own by.
    const own = new Map([...reachable].filter(([name]) => [...names.values()].includes(name)));
    for (const source of packFlows(pack, names)) {
      const of = source.isConverted ? { ...reach, providers: own } : reach;
      sources.push({ ...source, reach: of, pack: packName(pack) });
    }
  }
  const reach: FlowReach = {
    grants: tenant.grants,
    grantee: `the tenant ${tenant.id}`,
    providers: reachable,
  };
  for (const file of tenant.flows) sources.push({ ...(await readFlowFile(file)), reach, pack: null });
  return sources;
}

/** What the bundle calls a pack's providers, by their ids in the pack; of two for one, the first. */
function namesIn(
  pack: Pack,
  packs: readonly [ProviderBinding, Pack][],
  providers: readonly ProviderCode[],
): Map<string, string> {
  const names = new Map<string, string>();
  for (const [index, { binding, provider }] of providers.entries()) {
    if (packs[index]?.[1] === pack && !names.has(provider.id)) names.set(provider.id, binding.id);
  }
  return names;
}

function packName({ id, version }: Pack): string {
  return `${id}@${version}`;
}

function shared(
  modules: ReadonlyMap<string, Uint8Array>,
  known: Map<string, Uint8Array>,
): ReadonlyMap<string, Uint8Array> {
  for (const [digest, bytes] of modules) if (!known.has(digest)) known.set(digest, bytes);
  return new Map([...modules].map(([digest, bytes]) => [digest, known.get(digest) ?? bytes]));
}

function tenantCode(
  tenant: TenantBundle,
  providers: readonly ProviderCode[],
  flows: readonly Flow[],
  { scriptModule }: DeployTools,
): TenantCode {
  const modules = new Map<string, Uint8Array>([[scriptModule.digest, scriptModule.wasm]]);
  for (const provider of providers) {
    for (const [digest, bytes] of provider.modules) modules.set(digest, bytes);
  }
  const program: FlowProgramSpec = { flows, scriptModule: scriptModule.digest };
  return {
    spec: {
      tenant: tenant.id,
      providers: providers.map(({ spec }) => spec),
      program,
      programModules: [scriptModule.digest],
      limits: tenant.limits,
    },
    modules,
    isolation: tenant.isolation,
    maxQueuedCalls: tenant.limits.maxQueuedCalls,
  };
}
