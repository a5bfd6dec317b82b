import { dirname, resolve } from 'node:path';
import type { PluginImport } from '../../contract.ts';
import type { InstalledProvider } from '../../deploy/install/install.ts';
import type { InstallPlan, ProviderPlan, RequestPlan } from '../../deploy/install/plan.ts';
import { isOlder } from '../../deploy/install/version-order.ts';
import { grantsMeant, parseGrantOptions, type WrittenGrant } from '../../deploy/install/written-grant.ts';
import { GtpackError } from '../../errors.ts';
import { vendorReach } from '../../grant/vendor-reach.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { askGrant } from '../grant-questions.ts';
import { note, plain, print, printJson, shownPath } from '../output.ts';
import { Questions } from '../question.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

export interface InstallOptions {
  readonly bundle: string | undefined;
  readonly tenant: string;
  readonly provider: string | undefined;
  readonly grants: readonly string[];
  readonly trustSigner: boolean;
  readonly allowUnsigned: boolean;
  /** Asks nothing: what is not granted is denied. */
  readonly yes: boolean;
  readonly json: boolean;
}

/**
 * Shows who made a pack and what it asks for, and what of that is new; installs it once the operator agrees.
 * @returns 1 where the operator did not agree
 * @throws GtpackError as planning and installing do; `option_invalid` where nobody can be asked
 */
export async function installPack(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  options: InstallOptions,
): Promise<number> {
  const given = parseGrantOptions(options.grants);
  const plan = await rooms.planInstall({
    packFile: resolve(world.cwd, file),
    bundlePath: await chooseBundle(world, options.bundle),
    tenant: options.tenant,
    provider: options.provider,
  });
  refuseUnasked(plan, given);
  await note(world, ...planLines(plan).map(plain));
  if (!options.yes && !world.asks) {
    throw new GtpackError('option_invalid', 'Nobody can be asked here whether to install it.', {
      cure: 'Look at what it asks for, and run it again with --yes and a --grant for each capability.',
    });
  }
  const missing = plan.providers
    .flatMap(openRequests)
    .filter(({ capability }) => given.every((grant) => grant.capability !== capability));
  if (options.yes) {
    await note(world, ...missingLines(missing).map(plain));
    await note(world, ...reachLines(given).map(plain));
  }
  const decision = options.yes
    ? { grants: given, trustSigner: options.trustSigner, agreed: true }
    : await decide(world, plan, given, options);
  if (!decision.agreed) {
    await note(world, 'Nothing was installed.');
    return 1;
  }
  if (decision.trustSigner && plan.bundle.trust === null) {
    await note(
      world,
      'The bundle trusted nobody by name; from now on it starts packs of the signers in its trust only.',
    );
  }
  const installed = await rooms.install(plan, { ...decision, allowUnsigned: options.allowUnsigned });
  if (options.json) await printJson(world, installedJson(plan, installed));
  else await print(world, ...installedLines(world, plan, installed).map(plain));
  const declared = [...new Set(installed.flatMap(({ secrets }) => secrets))];
  if (declared.length > 0) {
    await note(
      world,
      plain(
        `The bundle reads ${declared.join(', ')} from the environment now (secrets); set ${declared.length === 1 ? 'it' : 'them'} where the host is started.`,
      ),
    );
  }
  await note(
    world,
    plain(`It runs from the next start on: gtpack up ${shownPath(world, dirname(plan.bundle.file))}`),
  );
  return 0;
}

function refuseUnasked({ pack, providers }: InstallPlan, given: readonly WrittenGrant[]): void {
  const asked = providers.flatMap(({ requests }) => requests.map(({ capability }) => capability));
  const unasked = given.find(({ capability }) => !asked.includes(capability));
  if (unasked === undefined) return;
  throw new GtpackError(
    'option_invalid',
    `--grant ${unasked.capability}: the pack ${pack.id} does not ask for it.`,
    {
      cure: asked.length === 0 ? 'It asks for nothing.' : `It asks for ${[...new Set(asked)].join(', ')}.`,
    },
  );
}

interface Decision {
  readonly grants: readonly WrittenGrant[];
  readonly trustSigner: boolean;
  readonly agreed: boolean;
}

async function decide(
  world: CliWorld,
  plan: InstallPlan,
  given: readonly WrittenGrant[],
  options: InstallOptions,
): Promise<Decision> {
  using questions = new Questions(world);
  let { trustSigner } = options;
  if (plan.trust === 'refused' && plan.pack.signer !== null && !trustSigner && !options.allowUnsigned) {
    trustSigner = await questions.confirm(`Trust blake3:${plan.pack.signer} from now on?`);
  }
  const grants = new Map(given.map((grant) => [grant.capability, grant]));
  for (const { capability } of plan.providers.flatMap(openRequests)) {
    if (grants.has(capability)) continue;
    const value = await askGrant(questions, capability);
    if (value !== undefined) grants.set(capability, { capability, value });
  }
  const decided = [...grants.values()];
  await note(world, ...reachLines(decided).map(plain));
  return { grants: decided, trustSigner, agreed: await questions.confirm('Install it?') };
}

function missingLines(missing: readonly RequestPlan[]): string[] {
  const optional = missing.filter((request) => request.optional === true);
  const needed = missing.filter((request) => request.optional !== true);
  return [
    ...missingLine('Not granted', needed),
    ...missingLine('Not granted, and not needed to start', optional),
  ];
}

function missingLine(what: string, missing: readonly RequestPlan[]): string[] {
  if (missing.length === 0) return [];
  const names = [...new Set(missing.map(({ capability }) => capability))];
  const options = names.map((name) => `--grant ${name}${MEANT[name] ?? ''}`).join(' ');
  return [`${what}: ${names.join(', ')}. To grant: ${options}`];
}

/** What stands behind a capability in a short grant. */
const MEANT: Partial<Record<PluginImport, string>> = {
  http: '=HOST',
  bus: '=TYPE',
  timers: '=TYPE',
  secrets: '=NAME',
  sendgrid: "='{ key: SENDGRID_KEY, from: [SENDER], to: [RECIPIENT] }'",
  twilio: "='{ account: AC…, auth_token: TWILIO_TOKEN, from: [SENDER], to: [+COUNTRY] }'",
};

/** What is granted of a vendor: by whom, to whom, how many, where. */
function reachLines(written: readonly WrittenGrant[]): string[] {
  const grants = grantsMeant(written);
  return written.flatMap(({ capability }) => {
    const reach = vendorReach(grants, capability);
    return reach === undefined ? [] : [`grants ${capability}: ${reach}`];
  });
}

function openRequests({ requests }: ProviderPlan): RequestPlan[] {
  return requests.filter(({ isGranted }) => !isGranted);
}

function trustText({ trust, pack }: InstallPlan): string {
  const canTrust = pack.signer !== null && (trust === 'unchecked' || trust === 'refused');
  return `${TRUST_TEXT[trust]}${canTrust ? '. To trust this signer: --trust-signer' : ''}`;
}

const TRUST_TEXT: Readonly<Record<InstallPlan['trust'], string>> = {
  trusted: 'trusted by the bundle',
  exempt: 'the bundle exempts it: allow_unsigned',
  unchecked: 'nobody vouches for it: the bundle has no trust, and env dev starts it all the same',
  refused: 'not trusted by the bundle, which will not start it',
};

function planLines(plan: InstallPlan): string[] {
  const { pack, providers, tenant, bundle } = plan;
  return [
    `${pack.id} ${pack.version}, by ${pack.publisher}, for tenant ${tenant} of ${bundle.file}`,
    `digest     blake3:${pack.digest}`,
    `signed by  ${pack.signer === null ? 'nobody' : `blake3:${pack.signer}`}; ${trustText(plan)}`,
    ...providers.flatMap((provider) => providerLines(provider, pack.version, pack.signer)),
    ...pack.flows.map(({ path }) => `flow       ${path}`),
  ];
}

function providerLines(
  { id, provider, requests, previous }: ProviderPlan,
  version: string,
  signer: string | null,
): string[] {
  const lines = [`provider   ${id} (${provider.kind})${previous === null ? ', new' : ''}`];
  if (previous !== null) {
    lines.push(
      `  in place of version ${previous.version ?? 'unknown'}${versionRemark(previous.version, version)}`,
    );
    if (previous.digest !== null && previous.signer !== signer) {
      lines.push(
        `  which was signed by ${previous.signer === null ? 'nobody' : `blake3:${previous.signer}`}`,
      );
    }
    lines.push(...previous.dropped.map((name) => `  asks no more for ${name}`));
  }
  for (const { capability, reason, optional, isNew, isGranted, reach } of requests) {
    const state = [isNew ? 'new' : '', optional ? 'optional' : '', isGranted ? 'granted' : 'not granted']
      .filter((word) => word !== '')
      .join(', ');
    lines.push(`  asks for ${capability} (${state}): ${reason}`);
    if (reach !== undefined) lines.push(`    is granted ${reach}`);
  }
  if (requests.length === 0) lines.push('  asks for nothing');
  return lines;
}

function versionRemark(previous: string | null, version: string): string {
  if (previous === version) return ', the same';
  // A sound signature does not tell: somebody may offer the version with the hole again.
  return previous !== null && isOlder(version, previous) ? ', which is NEWER than this one' : '';
}

function installedLines(
  world: CliWorld,
  { pack, bundle }: InstallPlan,
  installed: readonly InstalledProvider[],
): string[] {
  return installed.map(
    ({ id, grants }) =>
      `Installed ${pack.id} ${pack.version} as ${id} in ${shownPath(world, bundle.file)}, granted ${grants.length === 0 ? 'nothing' : grants.join(', ')}.`,
  );
}

function installedJson(
  { pack, tenant, bundle, providers }: InstallPlan,
  installed: readonly InstalledProvider[],
): unknown {
  return {
    bundle: bundle.file,
    tenant,
    pack: {
      id: pack.id,
      version: pack.version,
      publisher: pack.publisher,
      digest: pack.digest,
      fingerprint: pack.signer,
    },
    providers: installed.map(({ id, trust, grants }) => {
      const plan = providers.find((each) => each.id === id);
      return {
        id,
        trust,
        grants,
        requests:
          plan?.requests.map(({ capability, reason, optional = false, isNew }) => ({
            ...{ capability, reason, optional, new: isNew },
          })) ?? [],
        previous:
          plan?.previous == null
            ? null
            : {
                version: plan.previous.version,
                digest: plan.previous.digest,
                fingerprint: plan.previous.signer,
              },
      };
    }),
  };
}
