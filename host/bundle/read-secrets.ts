import { Buffer } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ErrorCode, Problem } from '../errors.ts';
import { GtpackError } from '../errors.ts';
import { Secret, type Secrets } from '../grant/secret.ts';
import type { SecretUse } from '../grant/secret-use.ts';
import type { Path, YamlFile } from '../yaml.ts';
import { problemAt } from './problems.ts';
import type { SecretSource } from './secrets-shape.ts';
import { readTextFile } from './text-file.ts';

/** The variables that `env:` reads. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface SecretsPlace {
  readonly yaml: YamlFile;
  readonly dir: string;
  /** Null where secrets are only to be declared, and none is read. */
  readonly environment: Environment | null;
  readonly problems: Problem[];
  /** For the operator, one sentence each. */
  readonly warnings: string[];
}

export interface TenantSecrets {
  readonly tenant: string;
  /** Of the tenant's keys in the file. */
  readonly prefix: Path;
  readonly sources: Readonly<Record<string, SecretSource>>;
  /** What the grants and signatures of its enabled providers, and the grants of its flows, name; each `path` is one in the bundle file. */
  readonly uses: readonly SecretUse[];
  /** Named by what is not enabled: neither read nor missed. */
  readonly idle: ReadonlySet<string>;
}

const MAX_SECRET_BYTES = 64 * 1024;
const OTHERS_MAY_READ = 0o077;

/**
 * Reads the secrets that a tenant's grants name, each once. One that no grant names is not read.
 *
 * Problems are `secret_undeclared`, `secret_unavailable` and `secret_unusable`. They name variables and files, and hold
 * nothing of what is in them.
 */
export async function readSecrets(tenant: TenantSecrets, place: SecretsPlace): Promise<Secrets> {
  const { sources, uses, prefix, idle } = tenant;
  const secrets = new Map<string, Secret>();
  const used = new Set(uses.map(({ name }) => name));
  for (const [name, source] of Object.entries(sources)) {
    if (used.has(name)) {
      if (place.environment === null) continue;
      const path = [...prefix, 'secrets', name];
      const value = await readSecret(`The secret ${name}`, source, path, place);
      if (value !== undefined) secrets.set(name, new Secret(name, value));
    } else if (!idle.has(name)) {
      const { line } = place.yaml.atKey([...prefix, 'secrets', name]);
      place.warnings.push(
        `The secret ${name} of the tenant ${tenant.tenant} (line ${line}) is in no grant and checks no signature, so it is not read.`,
      );
    }
  }
  for (const use of uses) {
    const report = (code: ErrorCode, message: string, cure: string): void => {
      place.problems.push({ ...problemAt(place.yaml, use.path, code, message), cure });
    };
    if (!Object.hasOwn(sources, use.name)) {
      const key = [...prefix, 'secrets'].join('.');
      report(
        'secret_undeclared',
        `The secret ${use.name} is named here, and the tenant ${tenant.tenant} has none of that name.`,
        `Add it to ${key} in the bundle: ${use.name}: env:${use.name}`,
      );
      continue;
    }
    const secret = secrets.get(use.name);
    const fault = secret === undefined ? undefined : use.faultOf(secret);
    if (fault !== undefined) {
      report(
        'secret_unusable',
        `The secret ${use.name} ${fault}.`,
        `Correct what it is read from, or where it is named.`,
      );
    }
  }
  return secrets;
}

/**
 * Reads one secret; where that fails the place has a problem more.
 * @param what begins the message: `The secret KEY`
 * @param path of its source in the bundle file
 */
export async function readSecret(
  what: string,
  source: SecretSource,
  path: Path,
  place: SecretsPlace,
): Promise<string | undefined> {
  const refuse = (fault: string, cure: string): undefined => {
    const message = `${what} cannot be read: ${fault}.`;
    place.problems.push({ ...problemAt(place.yaml, path, 'secret_unavailable', message), cure });
  };
  const where =
    source.kind === 'env' ? `the variable ${source.variable}` : `the file ${resolve(place.dir, source.path)}`;
  const cure =
    source.kind === 'env'
      ? `Set ${source.variable} where the host is started.`
      : 'Put the secret into the file, as text.';
  const found =
    source.kind === 'env' ? variableOf(source.variable, place) : await fileText(source.path, place);
  if (found instanceof GtpackError)
    return refuse(`${where}: ${found.problems[0].message.replace(/\.$/, '')}`, cure);
  if (found === undefined) return refuse(`${where} is not there`, cure);
  if (found === '') return refuse(`${where} is empty`, cure);
  const bytes = Buffer.byteLength(found);
  if (bytes > MAX_SECRET_BYTES)
    return refuse(`${where} holds ${bytes} bytes; at most ${MAX_SECRET_BYTES} are taken`, cure);
  return found;
}

function variableOf(variable: string, { environment }: SecretsPlace): string | undefined {
  return environment !== null && Object.hasOwn(environment, variable) ? environment[variable] : undefined;
}

/** Without the line break that editors and `echo` leave at the end. */
async function fileText(
  path: string,
  { dir, warnings }: SecretsPlace,
): Promise<string | GtpackError | undefined> {
  const file = resolve(dir, path);
  try {
    const text = await readTextFile(file, MAX_SECRET_BYTES + 2);
    if (text === undefined) return undefined;
    const found = await stat(file).catch(() => undefined);
    if (((found?.mode ?? 0) & OTHERS_MAY_READ) !== 0) {
      warnings.push(`The file ${file} holds a secret and is open to other users: chmod 600 closes it.`);
    }
    return text.replace(/\r?\n$/, '');
  } catch (error) {
    if (error instanceof GtpackError) return error;
    throw error;
  }
}
