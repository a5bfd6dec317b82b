import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { GtpackError, type Problem } from '../errors.ts';
import { checkJsonBounds } from '../event/json-bounds.ts';
import type { TenantId } from '../event/names.ts';
import { type Grants, parseGrants } from '../grant/grants.ts';
import { type SecretUse, secretUses, signatureSecretUses } from '../grant/secret-use.ts';
import type { SignatureScheme } from '../grant/signature-scheme.ts';
import { parseSignatures } from '../grant/signatures.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { parseYamlShape, readYaml, type YamlFile } from '../yaml.ts';
import type { Bundle, ProviderBinding, TenantBundle } from './bundle.ts';
import { type BundleFile, bundleFile, type ProviderFile, type TenantFile } from './bundle-file.ts';
import { flowPaths, isFile } from './flow-paths.ts';
import { limitsOf } from './limits-shape.ts';
import { nameProblems } from './name-problems.ts';
import { plainProblems } from './plain-problems.ts';
import { problemAt, throwProblems } from './problems.ts';
import { readProviderSchedules } from './provider-schedules.ts';
import { readBus } from './read-bus.ts';
import { type Environment, readSecrets } from './read-secrets.ts';
import { MAX_BUNDLE_BYTES, readTextFile } from './text-file.ts';
import { resolveTrust } from './trust-file.ts';

export const BUNDLE_FILE = 'bundle.yaml';
const NAME_A_PACK = 'Name a pack under providers.';
const DEFAULT_TENANT = 'default' as TenantId;

/**
 * Reads a bundle, resolves its paths against its folder, and freezes it. Nothing of it is read later.
 *
 * @param path a folder with a `bundle.yaml`, or the file itself
 * @param environment the variables that `secrets` may name; without it no secret is read, and each has to be declared
 * @throws GtpackError `file_unreadable`, `yaml_invalid`, `bundle_invalid`, or, for files that it names and that are
 *   not there, `pack_missing` and `flow_missing`, and for secrets `secret_undeclared`, `secret_unavailable` and
 *   `secret_unusable`; with every problem of that stage, each with its line and column
 */
export async function loadBundle(path: string, environment?: Environment): Promise<Bundle> {
  const file = (await isFolder(path)) ? join(path, BUNDLE_FILE) : path;
  const text = await readTextFile(file, MAX_BUNDLE_BYTES);
  if (text === undefined) {
    throw new GtpackError('file_unreadable', 'There is no bundle here.', {
      file,
      cure: `Give the folder of a ${BUNDLE_FILE}, or the file.`,
    });
  }
  const yaml = readBundleYaml(text, file);
  const written = checkShape(yaml);
  const dir = dirname(resolve(file));
  const publicUrl = written.http.public_url ?? null;
  const place: BundlePlace = {
    yaml,
    dir,
    environment: environment ?? null,
    publicUrl,
    problems: [],
    warnings: [],
  };
  const tenants: TenantBundle[] = [];
  for (const [id, tenant, prefix] of tenantsOf(written)) {
    tenants.push(await resolveTenant(id, tenant, prefix, place));
  }
  const trust = await resolveTrust(written.trust, place);
  const bus = await readBus(written.bus, written.dedupe_window, place);
  throwProblems(place.problems);
  if (tenants.every((tenant) => tenant.providers.length === 0 && tenant.flows.length === 0)) {
    throw new GtpackError('bundle_invalid', 'The bundle has no provider and no flow.', {
      file,
      cure: NAME_A_PACK,
    });
  }
  return deepFreeze({
    file: resolve(file),
    dir,
    env: written.env,
    http: {
      ...written.http.listen,
      maxBodyBytes: written.http.max_body,
      responseTimeoutMs: written.http.response_timeout,
      publicUrl,
    },
    bus,
    operator: written.operator?.listen ?? null,
    audit: {
      file: resolve(dir, written.audit.file),
      maxFileBytes: written.audit.max_file,
      keep: written.audit.keep,
    },
    drainGraceMs: written.drain_grace,
    dedupeWindowMs: written.dedupe_window,
    trust,
    tenants,
    warnings: place.warnings,
  });
}

interface BundlePlace {
  readonly yaml: YamlFile;
  readonly dir: string;
  readonly environment: Environment | null;
  readonly publicUrl: string | null;
  /** What was found wrong so far. */
  readonly problems: Problem[];
  readonly warnings: string[];
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function readBundleYaml(text: string, file: string): YamlFile {
  try {
    const yaml = readYaml(text, file, MAX_BUNDLE_BYTES);
    if (yaml.value !== null) return yaml;
    throw new GtpackError('bundle_invalid', 'The file is empty.', {
      file,
      cure: NAME_A_PACK,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (error instanceof RangeError || /call stack|Stack overflow/.test(message)) {
      throw new GtpackError('yaml_invalid', 'The file nests its values too deep.', { file, cause: error });
    }
    if (error instanceof GtpackError) throwProblems(error.problems);
    throw error;
  }
}

function checkShape(yaml: YamlFile): BundleFile {
  const problems = [...plainProblems(yaml), ...nameProblems(yaml)];
  // A value inside of itself has no end, and no schema can be laid on it.
  if (problems.some(({ message }) => message.includes('inside of itself'))) throwProblems(problems);
  let written: BundleFile | undefined;
  try {
    written = parseYamlShape(yaml, bundleFile, 'bundle_invalid');
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    problems.push(...error.problems);
  }
  throwProblems(problems);
  if (written === undefined) throw new TypeError('a shape was refused without a problem');
  return written;
}

type Prefix = readonly string[];

/** Each tenant with the path of its keys in the file; what stands at the top is the default tenant's. */
function tenantsOf(written: BundleFile): [TenantId, TenantFile, Prefix][] {
  const { providers, flows, grants, secrets } = written;
  const named = Object.entries(written.tenants ?? {}).map(
    // Checked by nameProblems.
    ([id, tenant]): [TenantId, TenantFile, Prefix] => [id as TenantId, tenant, ['tenants', id]],
  );
  const top = { providers, flows, grants, secrets };
  if (Object.values(top).every((part) => part === undefined)) return named;
  return [[DEFAULT_TENANT, top, []], ...named];
}

async function resolveTenant(
  id: TenantId,
  tenant: TenantFile,
  prefix: Prefix,
  place: BundlePlace,
): Promise<TenantBundle> {
  const providers: ProviderBinding[] = [];
  for (const [provider, file] of Object.entries(tenant.providers ?? {})) {
    providers.push(await resolveProvider(provider, file, [...prefix, 'providers', provider], place));
  }
  const flows = new Set<string>();
  for (const [index, entry] of (tenant.flows ?? []).entries()) {
    const found = await flowPaths(place.dir, entry);
    if (typeof found === 'string') {
      place.problems.push(problemAt(place.yaml, [...prefix, 'flows', index], 'flow_missing', found));
    } else {
      for (const flow of found) flows.add(flow);
    }
  }
  const grants = parseGrants(tenant.grants);
  const [idle, enabled] = [false, true].map((is) =>
    providers
      .filter((provider) => provider.enabled === is)
      .flatMap((provider) => usesOf(provider, [...prefix, 'providers', provider.id])),
  );
  const secrets = await readSecrets(
    {
      tenant: id,
      prefix,
      sources: tenant.secrets ?? {},
      uses: [...(enabled ?? []), ...usesIn(grants, prefix)],
      idle: new Set(idle?.map(({ name }) => name)),
    },
    place,
  );
  return {
    id,
    providers,
    flows: [...flows],
    grants,
    secrets,
    limits: limitsOf(tenant.limits),
    isolation: isolationOf(tenant),
    ordered: tenant.ordered ?? false,
  };
}

function usesIn(grants: Grants, prefix: Prefix): SecretUse[] {
  return secretUses(grants).map((use) => ({ ...use, path: [...prefix, 'grants', ...use.path] }));
}

function usesOf({ grants, signatures }: ProviderBinding, prefix: Prefix): SecretUse[] {
  const checked = signatureSecretUses(signatures);
  return [
    ...usesIn(grants, prefix),
    ...checked.map((use) => ({ ...use, path: [...prefix, 'signatures', ...use.path] })),
  ];
}

/** A tenant has one cell: what any of its providers asks for, all of them get. */
function isolationOf({ isolation, providers = {} }: TenantFile): TenantBundle['isolation'] {
  const asked = Object.values(providers).some(
    (provider) => provider.enabled && provider.isolation === 'process',
  );
  return asked || isolation === 'process' ? 'process' : 'shared';
}

async function resolveProvider(
  id: string,
  file: ProviderFile,
  path: Prefix,
  place: BundlePlace,
): Promise<ProviderBinding> {
  const { yaml, dir, problems } = place;
  const pack = resolve(dir, file.pack);
  // A disabled provider may lack its pack: that is a reason to disable it.
  if (file.enabled && !(await isFile(pack))) {
    const found = (await isFolder(pack)) ? `${pack} is a folder` : `there is no file ${pack}`;
    const message = `The pack ${JSON.stringify(file.pack)} of the provider "${id}" is missing: ${found}.`;
    problems.push({
      ...problemAt(yaml, [...path, 'pack'], 'pack_missing', message),
      cure: 'Correct the path, or build the pack with `gtpack pack build`.',
    });
  }
  const config = file.config ?? {};
  try {
    checkJsonBounds(
      JSON.stringify(config),
      {
        maxBytes: DEFAULT_LIMITS.maxEventBytes,
        maxDepth: DEFAULT_LIMITS.maxJsonDepth,
        maxElements: DEFAULT_LIMITS.maxJsonElements,
      },
      `The config of the provider "${id}"`,
    );
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    problems.push(problemAt(yaml, [...path, 'config'], 'bundle_invalid', error.message));
  }
  return {
    id,
    pack,
    line: yaml.atKey(path).line,
    enabled: file.enabled,
    allowUnsigned: file.allow_unsigned,
    config,
    schedules: readProviderSchedules(config, yaml, [...path, 'config']),
    grants: parseGrants(file.grants),
    signatures: signaturesOf(file, path, place),
    ...(file.handshakes === undefined ? {} : { handshakes: file.handshakes }),
  };
}

function signaturesOf(
  { signatures, handshakes }: ProviderFile,
  path: Prefix,
  place: BundlePlace,
): readonly SignatureScheme[] {
  const schemes = parseSignatures(signatures);
  if (handshakes !== undefined && schemes.length === 0) {
    const message = 'Without `signatures` every request passes, handshakes too.';
    place.problems.push({
      ...problemAt(place.yaml, [...path, 'handshakes'], 'bundle_invalid', message),
      cure: 'Leave handshakes out.',
    });
  }
  for (const { kind, name } of schemes) {
    if (kind !== 'twilio' || place.publicUrl !== null) continue;
    const message = 'Twilio signs the URL that it was given, and http.public_url does not say which that is.';
    place.problems.push({
      ...problemAt(place.yaml, [...path, 'signatures', name], 'bundle_invalid', message),
      cure: 'Add it to the bundle: http: { public_url: "https://hooks.example.com" }',
    });
  }
  return schemes;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
