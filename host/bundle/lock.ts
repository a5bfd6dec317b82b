import type { Problem } from '../errors.ts';
import { grantedCapabilities } from '../grant/grants.ts';
import type { Bundle, ProviderBinding } from './bundle.ts';
import type { LoadedPack } from './loaded-pack.ts';
import { LOCK_FILE, type LockFile, type Pin, readLock, writeLock } from './lock-file.ts';
import { throwProblems } from './problems.ts';
import { trustVerdict } from './trust.ts';

export interface LockVerdict {
  readonly lock: LockFile;
  /** Packs that the lock did not know; it pins them now, with no grants. */
  readonly pinned: readonly LoadedPack[];
  /** Packs that started although no trusted key signed them, by why they did. */
  readonly unsigned: Readonly<Record<'exempt' | 'unchecked', readonly LoadedPack[]>>;
}

/** In this env, a pack that the lock does not know is pinned at its first start; in others, `install` does that. */
const PINNING_ENV = 'dev';

/**
 * Approves the packs of a bundle against its `gtpack.lock`, and pins those that are new. Call it after the packs were
 * read and before anything of them runs.
 *
 * @returns warnings for the operator, one sentence each
 * @throws GtpackError `pack_unsigned`, `pack_untrusted`, `pack_changed`, `pack_unapproved`, `grant_unapproved`, with every
 *   problem of every provider; and as `readLock`, `writeLock`
 */
export async function approvePacks(bundle: Bundle, packs: readonly LoadedPack[]): Promise<string[]> {
  const verdict = checkLock(bundle, await readLock(bundle.dir), packs);
  if (verdict.pinned.length > 0) await writeLock(verdict.lock);
  return warningsOf(verdict);
}

/**
 * Compares the packs of a bundle with its `gtpack.lock`, and leaves the lock as it is.
 * @returns warnings for the operator, one sentence each
 * @throws GtpackError as `approvePacks`
 */
export async function comparePacks(bundle: Bundle, packs: readonly LoadedPack[]): Promise<string[]> {
  return warningsOf({ ...checkLock(bundle, await readLock(bundle.dir), packs), pinned: [] });
}

/**
 * Compares packs with those whom the bundle trusts, and with their pins.
 *
 * The verdict's lock holds the pins of all providers that the bundle still names, enabled or not, and none of others.
 * @throws GtpackError as `approvePacks`
 */
export function checkLock(bundle: Bundle, lock: LockFile, packs: readonly LoadedPack[]): LockVerdict {
  const problems: Problem[] = [];
  const pinned: LoadedPack[] = [];
  const unsigned = { exempt: [] as LoadedPack[], unchecked: [] as LoadedPack[] };
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
    const trust = trustVerdict(bundle, binding, pack);
    if (trust.kind === 'refused') problems.push(trust.problem);
    else if (trust.kind !== 'trusted') unsigned[trust.kind].push(pack);
    const pin = pins.get(pack.tenant)?.get(pack.provider);
    if (pin !== undefined) problems.push(...pinProblems(bundle, binding, pack, pin));
    else if (bundle.env !== PINNING_ENV) problems.push(unapproved(bundle, binding, pack));
    else {
      pinned.push(pack);
      keep(pins, pack.tenant, pack.provider, { digest: pack.digest, publisher: pack.signer, grants: [] });
    }
  }
  throwProblems(problems);
  return { lock: { path: lock.path, pins }, pinned, unsigned };
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

function pinProblems(bundle: Bundle, binding: ProviderBinding, pack: LoadedPack, pin: Pin): Problem[] {
  if (pin.digest !== pack.digest) return [changed(bundle, binding, pack, pin)];
  if (bundle.env === PINNING_ENV) return [];
  const wider = grantedCapabilities(binding.grants).filter((name) => !pin.grants.includes(name));
  return wider.length === 0 ? [] : [widened(bundle, binding, pack, wider)];
}

function nameOf(binding: ProviderBinding, { tenant, provider }: LoadedPack): string {
  return `The pack ${binding.pack} of the provider "${provider}" of the tenant "${tenant}"`;
}

function approval(binding: ProviderBinding, { tenant, provider }: LoadedPack): string {
  return `gtpack install ${binding.pack} --tenant ${tenant} --provider ${provider}`;
}

function changed(bundle: Bundle, binding: ProviderBinding, pack: LoadedPack, pin: Pin): Problem {
  const resigned =
    pin.publisher !== null && pin.publisher !== pack.signer ? ', and another key signed it, or none' : '';
  return {
    code: 'pack_changed',
    message: `${nameOf(binding, pack)} is not the one that ${LOCK_FILE} approved: ${short(pin.digest)} was expected; ${short(pack.digest)} came${resigned}.`,
    cure: `To see what changed and approve it: ${approval(binding, pack)}`,
    file: bundle.file,
    line: binding.line,
  };
}

function unapproved(bundle: Bundle, binding: ProviderBinding, pack: LoadedPack): Problem {
  return {
    code: 'pack_unapproved',
    message: `${nameOf(binding, pack)} is not in ${LOCK_FILE}, and env "${bundle.env}" starts approved packs only.`,
    cure: `To see what it asks for and approve it: ${approval(binding, pack)}`,
    file: bundle.file,
    line: binding.line,
  };
}

function widened(
  bundle: Bundle,
  binding: ProviderBinding,
  pack: LoadedPack,
  names: readonly string[],
): Problem {
  return {
    code: 'grant_unapproved',
    message: `The bundle grants ${names.join(', ')} to the provider "${pack.provider}" of the tenant "${pack.tenant}", which ${LOCK_FILE} does not approve.`,
    cure: `To approve what the bundle grants: ${approval(binding, pack)}`,
    file: bundle.file,
    line: binding.line,
  };
}

function short(digest: string): string {
  return `blake3:${digest.slice(0, 12)}…`;
}

function warningsOf({ pinned, unsigned }: Pick<LockVerdict, 'pinned' | 'unsigned'>): string[] {
  const warnings: string[] = [];
  if (unsigned.unchecked.length > 0) {
    warnings.push(
      `No signature was checked for ${listed(unsigned.unchecked)}: the bundle trusts nobody by name, and env "${PINNING_ENV}" starts packs like that.`,
    );
  }
  if (unsigned.exempt.length > 0) {
    warnings.push(
      `No trusted key signed ${listed(unsigned.exempt)}; the bundle exempts them with allow_unsigned.`,
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
