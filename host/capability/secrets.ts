import { GtpackError } from '../errors.ts';
import { quoted, type TenantId } from '../event/names.ts';
import type { Secret } from '../grant/secret.ts';
import { isSecretName } from '../grant/secret-name.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';

/**
 * `secrets.get`: the secrets that a provider's own code has to read. A name that its grant does not have is denied with
 * the same words whether its tenant has such a secret or not.
 */
export class SecretsCapability implements Capability {
  readonly name = 'secrets';
  readonly #secretOf: (tenant: TenantId, name: string) => Secret;

  constructor(secretOf: (tenant: TenantId, name: string) => Secret) {
    this.#secretOf = secretOf;
  }

  async perform({ tenant, source, grants, fn, args, reaches }: CapabilityCall): Promise<CapabilityAnswer> {
    const [name = ''] = args;
    if (fn !== 'get') {
      throw new GtpackError(
        'capability_denied',
        `The function secrets.get was expected; ${quoted(fn)} came.`,
      );
    }
    // Anything else is a text of the guest's, which has no place in the audit log.
    if (isSecretName(name)) reaches(name);
    if (grants.secrets?.has(name) !== true) throw denied(source, name);
    return { kind: 'ok', json: JSON.stringify(this.#secretOf(tenant, name).reveal()) };
  }

  async close(): Promise<void> {}
}

function denied(source: string, name: string): GtpackError {
  const cure = isSecretName(name)
    ? { cure: `To allow it, add to the grants of ${source} in the bundle: secrets: [${name}]` }
    : {};
  return new GtpackError('capability_denied', `${source} may not read the secret ${quoted(name)}.`, cure);
}
