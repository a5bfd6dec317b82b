import type { Grants } from './grants.ts';
import type { Secret } from './secret.ts';

/** One place of a grant that names a secret. */
export interface SecretUse {
  readonly name: string;
  /** Where it stands, below `grants`. */
  readonly path: readonly (string | number)[];
  /** Why a value does not do there, as what a sentence says of the secret; undefined for one that does. */
  readonly faultOf: (secret: Secret) => string | undefined;
}

/** Every secret that the grants name, in their order. */
export function secretUses({ http, secrets }: Grants): SecretUse[] {
  const uses: SecretUse[] = [];
  for (const [at, credential] of (http?.credentials ?? []).entries()) {
    const path = ['http', 'auth', at, 'secret'];
    uses.push({ name: credential.secret, path, faultOf: (secret) => credential.faultOf(secret) });
  }
  const signing = http?.signing ?? null;
  if (signing !== null) {
    const path = ['http', 'sign', 'secret'];
    uses.push({ name: signing.secret, path, faultOf: (secret) => signing.faultOf(secret) });
  }
  for (const [at, name] of [...(secrets ?? [])].entries()) {
    uses.push({ name, path: ['secrets', at], faultOf: () => undefined });
  }
  return uses;
}
