import type { ProviderBinding, TenantBundle } from '../../bundle/bundle.ts';
import { type Pin, readLock } from '../../bundle/lock-file.ts';
import { trustVerdict } from '../../bundle/trust.ts';
import { GtpackError } from '../../errors.ts';
import { isToken, parseTenantId, type TenantId } from '../../event/names.ts';
import { grantedCapabilities } from '../../grant/grants.ts';
import { vendorReach } from '../../grant/vendor-reach.ts';
import { openAnyPack, readAnyPack } from '../../interop/any-pack.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { CapabilityRequest, Pack, PackProvider } from '../../pack/pack.ts';
import { readArchiveFile } from '../../pack/pack-file.ts';
import { FREE_IMPORTS } from '../../pack/plugin-interface.ts';
import { type InstalledBundle, openInstalled } from './installed-bundle.ts';

export interface InstallRequest {
  /** Absolute paths. */
  readonly packFile: string;
  readonly bundlePath: string;
  readonly tenant: string;
  /** What the bundle calls the provider; default: what the pack calls it. */
  readonly provider: string | undefined;
}

/** What installing a pack would change, for an operator to look at. Nothing is written yet. */
export interface InstallPlan {
  readonly bundle: InstalledBundle;
  readonly tenant: TenantId;
  readonly pack: Pack;
  readonly bytes: Uint8Array;
  /** By who signed it; see host/bundle/trust.ts. */
  readonly trust: 'trusted' | 'exempt' | 'unchecked' | 'refused';
  readonly providers: readonly ProviderPlan[];
}

export interface ProviderPlan {
  /** In the bundle. */
  readonly id: string;
  readonly provider: PackProvider;
  /** Without those that need no grant. */
  readonly requests: readonly RequestPlan[];
  /** What is installed now under that name. */
  readonly previous: PreviousPack | null;
}

export interface RequestPlan extends CapabilityRequest {
  /** The pack that is installed now did not ask for it. */
  readonly isNew: boolean;
  /** The bundle grants something of it already. */
  readonly isGranted: boolean;
  /** What is granted of a vendor already; undefined for other capabilities. */
  readonly reach: string | undefined;
}

export interface PreviousPack {
  readonly digest: string | null;
  /** Null where the file is gone or cannot be read any more. */
  readonly version: string | null;
  readonly signer: string | null;
  /** Requests that the new pack does not make any more. */
  readonly dropped: readonly string[];
}

/**
 * Reads a pack and compares it with what a bundle has.
 * @throws GtpackError as reading a pack and loading a bundle do; `option_invalid`, `pack_provider_unknown`
 */
export async function planInstall(request: InstallRequest): Promise<InstallPlan> {
  const { packFile, bundlePath } = request;
  const tenant = parseTenantId(request.tenant);
  const bundle = await openInstalled(bundlePath);
  const bytes = await readArchiveFile(packFile, DEFAULT_LIMITS);
  const pack = await openAnyPack(bytes, packFile);
  const lock = await readLock(bundle.dir);
  const installed = bundle.tenants.find(({ id }) => id === tenant);
  const providers: ProviderPlan[] = [];
  for (const [id, provider] of chosen(pack, request.provider)) {
    const binding = installed?.providers.find((each) => each.id === id);
    const previous =
      binding === undefined ? null : await readPrevious(binding, lock.pins.get(tenant)?.get(id));
    providers.push(planProvider(id, provider, binding, previous));
  }
  return {
    bundle,
    tenant,
    pack,
    bytes,
    trust: trustOf(bundle, installed, tenant, pack, providers),
    providers,
  };
}

/** The pack's only provider under any name, or all of its providers under their own. */
function chosen(pack: Pack, name: string | undefined): [string, PackProvider][] {
  if (name !== undefined && !isToken(name)) {
    throw new GtpackError('option_invalid', `--provider: ${JSON.stringify(name)} is no name of a provider.`, {
      cure: 'Use a-z, 0-9, "_" and "-", at most 63 of them.',
    });
  }
  const [only, ...others] = pack.providers;
  if (name === undefined) return pack.providers.map((provider) => [provider.id, provider]);
  const named = pack.providers.find(({ id }) => id === name) ?? (others.length === 0 ? only : undefined);
  if (named !== undefined) return [[name, named]];
  throw new GtpackError(
    'pack_provider_unknown',
    `The pack ${pack.id} holds the providers ${pack.providers.map(({ id }) => id).join(', ')}, and none is called ${name}.`,
    { file: pack.file, cure: 'Name one of them with --provider, or leave it out to install all.' },
  );
}

interface OldPack extends PreviousPack {
  readonly requests: ReadonlySet<string>;
}

async function readPrevious(binding: ProviderBinding, pin: Pin | undefined): Promise<OldPack> {
  const pinned = { digest: pin?.digest ?? null, signer: pin?.publisher ?? null, dropped: [] };
  try {
    const pack = await readAnyPack(binding.pack);
    const provider = pack.providers.find(({ id }) => id === binding.id) ?? pack.providers[0];
    const requests = new Set((provider?.requests ?? []).map(({ capability }) => capability));
    return { ...pinned, version: pack.version, requests };
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    // Then everything that the new pack asks for is shown as new.
    return { ...pinned, version: null, requests: new Set() };
  }
}

function planProvider(
  id: string,
  provider: PackProvider,
  binding: ProviderBinding | undefined,
  previous: OldPack | null,
): ProviderPlan {
  const granted: readonly string[] = binding === undefined ? [] : grantedCapabilities(binding.grants);
  const requests = provider.requests
    .filter(({ capability }) => !FREE_IMPORTS.includes(capability))
    .map((request) => ({
      ...request,
      isNew: previous?.requests.has(request.capability) !== true,
      isGranted: granted.includes(request.capability),
      reach: binding === undefined ? undefined : vendorReach(binding.grants, request.capability),
    }));
  if (previous === null) return { id, provider, requests, previous };
  const asked = new Set<string>(provider.requests.map(({ capability }) => capability));
  const { requests: before, ...rest } = previous;
  return {
    id,
    provider,
    requests,
    previous: { ...rest, dropped: [...before].filter((name) => !asked.has(name)) },
  };
}

/** The strictest verdict over the providers: one may be exempt, another not. */
function trustOf(
  bundle: InstalledBundle,
  installed: TenantBundle | undefined,
  tenant: string,
  { digest, signer, file }: Pack,
  providers: readonly ProviderPlan[],
): InstallPlan['trust'] {
  const verdicts = providers.map(({ id }) => {
    const binding = installed?.providers.find((each) => each.id === id);
    const allowUnsigned = binding?.allowUnsigned ?? false;
    const asked = { pack: file, line: binding?.line ?? 1, allowUnsigned };
    return trustVerdict(bundle, asked, { tenant, provider: id, digest, signer }).kind;
  });
  return verdicts.find((kind) => kind === 'refused') ?? verdicts[0] ?? 'unchecked';
}
