import { Buffer } from 'node:buffer';
import type { TenantId } from '../../event/names.ts';
import { SIGNATURE_HEADERS } from '../../grant/header-names.ts';
import type { HttpSigning } from '../../grant/http-signing.ts';
import type { Secret } from '../../grant/secret.ts';
import type { Header } from './header.ts';
import { credentialDenied } from './permit.ts';
import { type Hop, invalid } from './request.ts';
import type { Scope } from './scope.ts';

export interface AttachmentOptions {
  /** @throws TypeError for one that is not there; a bundle that names one does not start without it */
  readonly secretOf: (tenant: TenantId, name: string) => Secret;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** 24 random bytes or more, as letters and digits. */
  readonly randomId: () => string;
}

/** Without a dot: the receiver could take a part of it for the timestamp that is signed after it. */
const MESSAGE_ID = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * Adds what the host alone knows to a guest's request: the credential of its origin, and the signature of its body. Only
 * the guest's own request gets any, once it was permitted; what of it a redirect takes along is redirect.ts's to say (H6).
 * @param auth name of the secret that the guest wants; null for the first that goes there
 * @throws GtpackError `capability_denied`, `http_request_invalid`
 */
export function attach(scope: Scope, hop: Hop, auth: string | null, options: AttachmentOptions): Hop {
  const { signing } = scope.grant;
  const headers = [...credentialOf(scope, hop, auth, options)];
  if (signing !== null && hop.body !== null) headers.push(...signatureOf(scope, hop, signing, options));
  if (headers.length === 0) return hop;
  const attached = new Set(headers.map(([name]) => name));
  for (const [name] of hop.headers) {
    if (attached.has(name) && name !== SIGNATURE_HEADERS.id) {
      throw invalid(`the header ${name} is attached by the host here, as the grant says`);
    }
  }
  return { ...hop, headers: [...hop.headers.filter(([name]) => !attached.has(name)), ...headers] };
}

function credentialOf(
  { tenant, source, grant }: Scope,
  { url }: Hop,
  auth: string | null,
  { secretOf }: AttachmentOptions,
): Header[] {
  const credential = grant.credentialFor(url, auth);
  if (credential !== undefined) {
    return [[credential.header, credential.valueOf(secretOf(tenant, credential.secret))]];
  }
  if (auth !== null) throw credentialDenied(source, auth, url.origin);
  return [];
}

/** The guest may give the message its id, so that a repeat is one for the receiver as well. */
function signatureOf(
  { tenant }: Scope,
  { headers, body }: Hop,
  signing: HttpSigning,
  { secretOf, now, randomId }: AttachmentOptions,
): Header[] {
  const [, given] = headers.find(([name]) => name === SIGNATURE_HEADERS.id) ?? [];
  if (given !== undefined && !MESSAGE_ID.test(given)) {
    throw invalid(`the header ${SIGNATURE_HEADERS.id} is not 1 to 128 letters, digits, "_" and "-"`);
  }
  const id = given ?? `msg_${randomId()}`;
  const seconds = Math.floor(now() / 1000);
  const signature = signing.signatureOf(
    secretOf(tenant, signing.secret),
    id,
    seconds,
    body ?? Buffer.alloc(0),
  );
  return [
    [SIGNATURE_HEADERS.id, id],
    [SIGNATURE_HEADERS.timestamp, String(seconds)],
    [SIGNATURE_HEADERS.signature, signature],
  ];
}
