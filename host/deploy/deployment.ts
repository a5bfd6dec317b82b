import { join } from 'node:path';
import type { Bundle } from '../bundle/bundle.ts';
import type { LoadedPack } from '../bundle/loaded-pack.ts';
import { approvePacks, comparePacks } from '../bundle/lock.ts';
import { GtpackError, type Problem } from '../errors.ts';
import { loadScriptWasm } from '../flow/script/script-wasm.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Pack } from '../pack/pack.ts';
import { readPack } from '../pack/read-pack.ts';
import { CompileTrial } from '../sandbox/compile-trial.ts';
import { jcoVersion } from '../sandbox/jco-version.ts';
import { Transpiler } from '../sandbox/transpiler.ts';
import { checkCompiles } from './compile-check.ts';
import { digestOf } from './digest.ts';
import { type DeployTools, deployTenant, type TenantDeployment } from './tenant-deployment.ts';

/** A bundle with its packs read, approved and linked, and its flows checked. Nothing of it runs yet. */
export interface Deployment {
  readonly bundle: Bundle;
  readonly tenants: readonly TenantDeployment[];
  /** For the operator, one sentence each. */
  readonly warnings: readonly string[];
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
  const tools: DeployTools = {
    bundle,
    transpiler: new Transpiler({
      cacheDir: componentsFolder(bundle.dir),
      version: jcoVersion,
      wallMs: DEFAULT_LIMITS.transpileWallMs,
      memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
    }),
    scriptModule: { digest: await digestOf(wasm), wasm },
    packOf: (binding) => packs.get(binding.pack) as Pack,
  };
  const tenants = await gather(bundle.tenants, (tenant) => deployTenant(tenant, tools));
  await checkCompiles(
    tenants.flatMap(({ providers }) => providers),
    new CompileTrial({
      cacheDir: componentsFolder(bundle.dir),
      wallMs: DEFAULT_LIMITS.compileWallMs,
      memoryBytes: DEFAULT_LIMITS.compileMemoryBytes,
    }),
  );
  return { bundle, tenants, warnings };
}

/** Where a bundle keeps what was made of its packs' components, under their digests. */
export function componentsFolder(bundleDir: string): string {
  return join(bundleDir, '.gtpack', 'store', 'components');
}

/** Each pack file once, however many tenants use it. */
async function readPacks(bundle: Bundle): Promise<Map<string, Pack>> {
  const files = new Set<string>();
  for (const { providers } of bundle.tenants) {
    for (const { enabled, pack } of providers) if (enabled) files.add(pack);
  }
  const packs = new Map<string, Pack>();
  await gather([...files], async (file) => packs.set(file, await readPack(file)));
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
