import type { Bundle } from '../../bundle/bundle.ts';
import { type Pin, readLock, writeLock } from '../../bundle/lock-file.ts';
import { trustVerdict } from '../../bundle/trust.ts';
import { GtpackError, type Problem } from '../../errors.ts';
import { grantedCapabilities } from '../../grant/grants.ts';
import { secretUses } from '../../grant/secret-use.ts';
import { checkCompiles } from '../compile-check.ts';
import { componentTools } from '../component-tools.ts';
import { chooseProvider, codeOf, type ProviderCode } from '../provider-code.ts';
import { BundleDocument } from './bundle-document.ts';
import { InstallTurn } from './install-turn.ts';
import { storePack } from './pack-store.ts';
import type { InstallPlan } from './plan.ts';
import { refuseSideEffects } from './side-effects.ts';
import { grantsMeant, type WrittenGrant } from './written-grant.ts';

/** What an operator decided about a plan. */
export interface InstallDecision {
  readonly grants: readonly WrittenGrant[];
  /** Adds the pack's signer to the bundle's `trust`. */
  readonly trustSigner: boolean;
  readonly allowUnsigned: boolean;
}

export interface InstalledProvider {
  readonly id: string;
  readonly trust: 'trusted' | 'exempt' | 'unchecked';
  /** Capabilities of which the bundle grants something now. */
  readonly grants: readonly string[];
  /** Secrets that its grants name and that the bundle had no source of: the environment is that now. */
  readonly secrets: readonly string[];
}

/**
 * Writes pack, bundle and lock, in this order: whatever a crash leaves behind, a start refuses it or it is what was there.
 * Before the bundle is replaced, each provider is linked as a start links it.
 * @throws GtpackError as linking does, `pack_unsigned`, `pack_untrusted`, `pack_unwritable`, `bundle_unwritable`, `lock_unwritable`
 */
export async function install(plan: InstallPlan, decision: InstallDecision): Promise<InstalledProvider[]> {
  const { bundle, pack, bytes, tenant, providers } = plan;
  using _turn = await InstallTurn.take(bundle.dir);
  const path = await storePack(bundle.dir, pack.digest, bytes);
  const document = await BundleDocument.open(bundle.file);
  if (decision.trustSigner && pack.signer !== null) document.trust(pack.signer);
  const declared = new Map<string, string[]>();
  for (const { id, requests } of providers) {
    const asked = new Set<string>(requests.map(({ capability }) => capability));
    const grants = decision.grants.filter(({ capability }) => asked.has(capability));
    document.setProvider({
      tenant,
      id,
      pack: path,
      allowUnsigned: decision.allowUnsigned,
      grants: Object.fromEntries(grants.map(({ capability, value }) => [capability, value])),
    });
    const named = new Set(secretUses(grantsMeant(grants)).map(({ name }) => name));
    declared.set(
      id,
      [...named].filter((name) => document.declareSecret(tenant, name)),
    );
  }
  let linked: readonly LinkedProvider[] = [];
  await document.replace(async (changed) => {
    refuseSideEffects(plan, changed);
    linked = await link(plan, changed);
  });
  const lock = await readLock(bundle.dir);
  await writeLock({
    path: lock.path,
    pins: new Map(lock.pins).set(tenant, new Map([...(lock.pins.get(tenant) ?? []), ...linked.map(pinOf)])),
  });
  return linked.map(({ id, trust, pin }) => ({
    id,
    trust,
    grants: pin.grants,
    secrets: declared.get(id) ?? [],
  }));
}

interface LinkedProvider {
  readonly id: string;
  readonly trust: InstalledProvider['trust'];
  readonly pin: Pin;
}

function pinOf({ id, pin }: LinkedProvider): [string, Pin] {
  return [id, pin];
}

async function link(
  { bundle, tenant, pack, providers }: InstallPlan,
  changed: Bundle,
): Promise<LinkedProvider[]> {
  const { transpiler, trial } = componentTools(changed.dir);
  const bindings = changed.tenants.find(({ id }) => id === tenant)?.providers ?? [];
  const problems: Problem[] = [];
  const linked: LinkedProvider[] = [];
  const codes: ProviderCode[] = [];
  for (const { id } of providers) {
    const binding = bindings.find((each) => each.id === id);
    if (binding === undefined) throw new TypeError(`the provider ${id} was not written`);
    const { digest, signer } = pack;
    const verdict = trustVerdict(changed, binding, { tenant, provider: id, digest, signer });
    const pin = { digest, publisher: signer, grants: grantedCapabilities(binding.grants) };
    if (verdict.kind === 'refused') problems.push(verdict.problem);
    else linked.push({ id, trust: verdict.kind, pin });
    try {
      const provider = chooseProvider(binding, pack, changed.file);
      const tools = { transpiler, bundleFile: changed.file, env: changed.env, tenant };
      codes.push(await codeOf(binding, pack, provider, tools));
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      problems.push(...error.problems);
    }
  }
  const [first, ...rest] = problems.map(withoutDraft(bundle.file, changed.file));
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  await checkCompiles(codes, trial);
  return linked;
}

/** The draft's name means nothing to anybody, and its lines are those of the file to come. */
function withoutDraft(file: string, draft: string): (problem: Problem) => Problem {
  return ({ file: found, line, column, ...problem }) =>
    found === draft
      ? { ...problem, file }
      : {
          ...problem,
          ...(found === undefined ? {} : { file: found }),
          ...(line === undefined ? {} : { line }),
          ...(column === undefined ? {} : { column }),
        };
}
