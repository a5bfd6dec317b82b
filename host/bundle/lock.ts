import type { Problem } from '../errors.ts';
import type { Bundle, ProviderBinding } from './bundle.ts';
import { LOCK_FILE, type LockFile, type Pin, readLock, writeLock } from './lock-file.ts';
import { throwProblems } from './problems.ts';

/** A pack that is about to be started for a provider. */
export interface LoadedPack {
  readonly tenant: string;
  readonly provider: string;
  /** BLAKE3 of the bytes that were loaded, hex. */
  readonly digest: string;
}

export interface LockVerdict {
  readonly lock: LockFile;
  /** Packs that the lock did not know; it pins them now, with no grants. */
  readonly pinned: readonly LoadedPack[];
}

/** In this env, packs that nobody signed are started. */
const UNSIGNED_ENV = 'dev';

/**
 * Approves the packs of a bundle against its `gtpack.lock`, and pins those that are new. Call it after the packs were
 * read and before anything of them runs.
 *
 * @returns warnings for the operator, one sentence each
 * @throws GtpackError `pack_unsigned`, `pack_changed`, with one problem a provider; and as `readLock`, `writeLock`
 */
export async function approvePacks(bundle: Bundle, packs: readonly LoadedPack[]): Promise<string[]> {
  const { lock, pinned } = checkLock(bundle, await readLock(bundle.dir), packs);
  if (pinned.length > 0) await writeLock(lock);
  return warningsOf(packs, pinned);
}

/**
 * Compares the packs of a bundle with its `gtpack.lock`, and leaves the lock as it is.
 * @returns warnings for the operator, one sentence each
 * @throws GtpackError as `approvePacks`
 */
export async function comparePacks(bundle: Bundle, packs: readonly LoadedPack[]): Promise<string[]> {
  checkLock(bundle, await readLock(bundle.dir), packs);
  return warningsOf(packs, []);
}

/**
 * Compares packs with their pins.
 *
 * No pack is signed in this version, so only env `dev` starts any. The verdict's lock holds the pins of all providers
 * that the bundle still names, enabled or not, and none of others.
 * @throws GtpackError `pack_unsigned`, `pack_changed`
 */
export function checkLock(bundle: Bundle, lock: LockFile, packs: readonly LoadedPack[]): LockVerdict {
  const problems: Problem[] = [];
  const pinned: LoadedPack[] = [];
  const pins = new Map<string, Map<string, Pin>>();
  const bindings = bindingsOf(bundle);
  for (const [tenant, providers] of lock.pins) {
    for (const [provider, pin] of providers) {
      if (bindings.has(`${tenant}/${provider}`)) keep(pins, tenant, provider, pin);
    }
  }
  for (const pack of packs) {
    const binding = bindings.get(`${pack.tenant}/${pack.provider}`);
    if (binding === undefined)
      throw new TypeError(`no provider ${pack.tenant}/${pack.provider} in the bundle`);
    if (bundle.env !== UNSIGNED_ENV) problems.push(unsigned(bundle, binding, pack));
    const pin = pins.get(pack.tenant)?.get(pack.provider);
    if (pin === undefined) {
      pinned.push(pack);
      keep(pins, pack.tenant, pack.provider, { digest: pack.digest, grants: [] });
    } else if (pin.digest !== pack.digest) {
      problems.push(changed(bundle, binding, pack, pin));
    }
  }
  throwProblems(problems);
  return { lock: { path: lock.path, pins }, pinned };
}

function keep(pins: Map<string, Map<string, Pin>>, tenant: string, provider: string, pin: Pin): void {
  const ofTenant = pins.get(tenant) ?? new Map<string, Pin>();
  ofTenant.set(provider, pin);
  pins.set(tenant, ofTenant);
}

/** The bundle's providers by tenant and id; neither has a slash. */
function bindingsOf(bundle: Bundle): ReadonlyMap<string, ProviderBinding> {
  return new Map(
    bundle.tenants.flatMap((tenant) =>
      tenant.providers.map((binding) => [`${tenant.id}/${binding.id}`, binding] as const),
    ),
  );
}

function unsigned(bundle: Bundle, binding: ProviderBinding, pack: LoadedPack): Problem {
  return {
    code: 'pack_unsigned',
    message: `The pack ${binding.pack} of the provider "${pack.provider}" of the tenant "${pack.tenant}" is not signed, and env "${bundle.env}" starts signed packs only.`,
    cure: `This version of gtpack cannot check signatures: start the bundle as env "${UNSIGNED_ENV}".`,
    file: bundle.file,
    line: binding.line,
  };
}

function changed(bundle: Bundle, binding: ProviderBinding, pack: LoadedPack, pin: Pin): Problem {
  return {
    code: 'pack_changed',
    message: `The pack ${binding.pack} of the provider "${pack.provider}" of the tenant "${pack.tenant}" is not the one that ${LOCK_FILE} approved: ${short(pin.digest)} was expected; ${short(pack.digest)} came.`,
    cure: `To approve the new pack, delete ${pack.tenant}.${pack.provider} from ${LOCK_FILE} and start again.`,
    file: bundle.file,
    line: binding.line,
  };
}

function short(digest: string): string {
  return `blake3:${digest.slice(0, 12)}…`;
}

function warningsOf(packs: readonly LoadedPack[], pinned: readonly LoadedPack[]): string[] {
  const warnings: string[] = [];
  if (packs.length > 0) {
    warnings.push(
      `No signature was checked for ${listed(packs)}; only env "${UNSIGNED_ENV}" starts packs like that.`,
    );
  }
  if (pinned.length > 0) {
    warnings.push(`${LOCK_FILE} pins ${listed(pinned)} from now on, with no grants.`);
  }
  return warnings;
}

/** The first few, and how many more. */
function listed(packs: readonly LoadedPack[]): string {
  const names = packs.map(({ tenant, provider }) => `${tenant}/${provider}`);
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
