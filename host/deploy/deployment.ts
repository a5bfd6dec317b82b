import type { Bundle } from '../bundle/bundle.ts';
import type { LoadedPack } from '../bundle/loaded-pack.ts';
import { approvePacks, comparePacks } from '../bundle/lock.ts';
import { GtpackError, type Problem } from '../errors.ts';
import { loadScriptWasm } from '../flow/script/script-wasm.ts';
import { readAnyPack } from '../interop/any-pack.ts';
import type { Pack } from '../pack/pack.ts';
import { checkCompiles } from './compile-check.ts';
import { componentTools } from './component-tools.ts';
import { digestOf } from './digest.ts';
import { type DeployTools, deployTenant, type TenantDeployment } from './tenant-deployment.ts';

/** A bundle with its packs read, approved and linked, and its flows checked. Nothing of it runs yet. */
export interface Deployment {
  readonly bundle: Bundle;
  readonly tenants: readonly TenantDeployment[];
  /** For the operator, one sentence each. */
  readonly warnings: readonly string[];
  /** What of packs that were made for other hosts this one leaves out or changes, one sentence each. */
  readonly leftOut: readonly string[];
}

export type LockUse = 'pin' | 'compare';

/**
 * Reads and checks everything that a bundle names.
 * @param lock `pin` writes packs that the lock does not know into it; `compare` leaves it as it is
 * @throws GtpackError with every problem of every pack, or else of every tenant
 */
export async function deploy(bundle: Bundle, lock: LockUse): Promise<Deployment> {
  const packs = await readPacks(bundle);
  const loaded = loadedPacks(bundle, packs);
  const warnings = lock === 'pin' ? await approvePacks(bundle, loaded) : await comparePacks(bundle, loaded);
  const wasm = await loadScriptWasm();
  const { transpiler, trial } = componentTools(bundle.dir);
  const tools: DeployTools = {
    bundle,
    transpiler,
    scriptModule: { digest: await digestOf(wasm), wasm },
    packOf: (binding) => packs.get(binding.pack) as Pack,
    modules: new Map(),
  };
  const tenants = await gather(bundle.tenants, (tenant) => deployTenant(tenant, tools));
  await checkCompiles(
    tenants.flatMap(({ providers }) => providers),
    trial,
  );
  const remarks = [...packs.values()].flatMap(({ file, remarks: said = [] }) =>
    said.map((remark) => `${file}: ${remark}`),
  );
  return { bundle, tenants, warnings, leftOut: [...remarks, ...tenants.flatMap(({ leftOut }) => leftOut)] };
}

/** Each pack file once, however many tenants use it. */
async function readPacks(bundle: Bundle): Promise<Map<string, Pack>> {
  const files = new Set<string>();
  for (const { providers } of bundle.tenants) {
    for (const { enabled, pack } of providers) if (enabled) files.add(pack);
  }
  const packs = new Map<string, Pack>();
  await gather([...files], async (file) => packs.set(file, await readAnyPack(file)));
  return packs;
}

function loadedPacks(bundle: Bundle, packs: ReadonlyMap<string, Pack>): LoadedPack[] {
  const loaded: LoadedPack[] = [];
  for (const tenant of bundle.tenants) {
    for (const { id, enabled, pack } of tenant.providers) {
      const { digest, signer } = packs.get(pack) ?? {};
      if (!enabled || digest === undefined || signer === undefined) continue;
      loaded.push({ tenant: tenant.id, provider: id, digest, signer });
    }
  }
  return loaded;
}

/** Does all of it, and throws every problem at once. */
async function gather<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const problems: Problem[] = [];
  for (const item of items) {
    try {
      results.push(await work(item));
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      problems.push(...error.problems);
    }
  }
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return results;
}
