import type { Grants } from './grants.ts';
import type { HttpGrant } from './http-grant.ts';
import type { Secret } from './secret.ts';
import { signatureKeyFault } from './signature-key.ts';
import type { SignatureScheme } from './signature-scheme.ts';

/** One place of a grant, or of a provider's signatures, that names a secret. */
export interface SecretUse {
  readonly name: string;
  /** Where it stands, below `grants` or `signatures`. */
  readonly path: readonly (string | number)[];
  /** Why a value does not do there, as what a sentence says of the secret; undefined for one that does. */
  readonly faultOf: (secret: Secret) => string | undefined;
}

/** Every secret that the grants name, in their order. */
export function secretUses({ http, sendgrid, twilio, secrets }: Grants): SecretUse[] {
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
  if (sendgrid !== null) uses.push(accountUse(['sendgrid', 'key'], sendgrid.http));
  if (twilio !== null) uses.push(accountUse(['twilio', twilio.keyPlace], twilio.http));
  for (const [at, name] of [...(secrets ?? [])].entries()) {
    uses.push({ name, path: ['secrets', at], faultOf: () => undefined });
  }
  return uses;
}

/** A vendor's account has one credential. */
function accountUse(path: readonly string[], { credentials }: HttpGrant): SecretUse {
  const [credential] = credentials;
  if (credential === undefined) throw new TypeError('an account without a credential');
  return { name: credential.secret, path, faultOf: (secret) => credential.faultOf(secret) };
}

/** Every secret that signatures are checked by, in the order of the schemes. */
export function signatureSecretUses(schemes: readonly SignatureScheme[]): SecretUse[] {
  return schemes.flatMap(({ kind, name: scheme, secrets }) =>
    secrets.map((name, at) => ({
      name,
      path: secrets.length === 1 ? [scheme, 'secret'] : [scheme, 'secret', at],
      faultOf: (secret: Secret) => signatureKeyFault(kind, secret),
    })),
  );
}
