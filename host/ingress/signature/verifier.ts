import type { Handshake } from '../../grant/handshakes.ts';
import type { Secret } from '../../grant/secret.ts';
import { signatureKey } from '../../grant/signature-key.ts';
import type { SignatureScheme } from '../../grant/signature-scheme.ts';
import type { SchemeCheck, SignedRequest } from './finding.ts';
import { hmacCheck } from './hmac.ts';
import { sendgridCheck } from './sendgrid.ts';
import { standardWebhooksCheck } from './standard-webhooks.ts';
import { stripeCheck } from './stripe.ts';
import { twilioCheck } from './twilio.ts';

/**
 * Signatures of requests, checked on the bytes that came, before anything of them is parsed and before any guest runs.
 * Siblings:
 *
 * - `finding.ts`           what a scheme finds in a request
 * - `hmac.ts`, `stripe.ts`, `standard-webhooks.ts`, `twilio.ts`, `sendgrid.ts`   a scheme each
 * - `timestamp.ts`         replay windows
 * - `compare.ts`           texts in constant time
 * - `admission.ts`         the answer to a sender, and the line for the operator
 * - `handshake.ts`         what senders ask before they send, which nobody signs
 *
 * Invariants:
 *
 * - G1 where a bundle names schemes, a request reaches a guest only if at least one of them verifies it, or as a handshake
 *   that the bundle names.
 * - G2 a scheme whose header is there and whose signature does not hold refuses the request, whatever else holds.
 * - G3 a sender learns that it was refused, and, once its signature holds, that it came too late. Nothing more.
 * - G4 a handshake has no signature of any scheme and no body, and no event comes of it, whatever the guest makes of it.
 */

/** Every scheme there is, by its kind. */
function checkOf(scheme: SignatureScheme, { secretOf, publicUrl }: VerifierTools): SchemeCheck {
  const keys = scheme.secrets.map((name) => signatureKey(scheme.kind, secretOf(name)));
  switch (scheme.kind) {
    case 'hmac':
      return hmacCheck(scheme, keys);
    case 'stripe':
      return stripeCheck(scheme, keys);
    case 'standard-webhooks':
      return standardWebhooksCheck(scheme, keys);
    case 'sendgrid':
      return sendgridCheck(scheme, keys);
    case 'twilio':
      if (publicUrl === null) throw new TypeError('a bundle with the scheme twilio has no http.public_url');
      return twilioCheck(scheme, keys, publicUrl);
  }
}

export interface VerifierTools {
  /** A secret of the tenant. */
  readonly secretOf: (name: string) => Secret;
  /** The bundle's `http.public_url`. */
  readonly publicUrl: string | null;
  /** Those that pass without a signature. Default: none. */
  readonly handshakes?: readonly Handshake[];
}

export type Verdict =
  /** By the first of the bundle's schemes that verifies it. */
  | { readonly kind: 'verified'; readonly scheme: string }
  /** `unsigned`: no scheme's header is there. */
  | { readonly kind: 'refused' | 'unsigned' | 'stale'; readonly why: string };

/** Checks the requests of one provider. */
export class Verifier {
  readonly handshakes: readonly Handshake[];
  readonly #checks: readonly SchemeCheck[];

  constructor(checks: readonly SchemeCheck[], handshakes: readonly Handshake[]) {
    this.handshakes = handshakes;
    this.#checks = checks;
  }

  /** @param now milliseconds since the Unix epoch */
  verify(request: SignedRequest, now: number): Verdict {
    let verified: string | undefined;
    let stale: string | undefined;
    for (const { name, header, check } of this.#checks) {
      const finding = check(request, now);
      switch (finding.kind) {
        case 'absent':
          break;
        case 'verified':
          verified ??= name;
          break;
        case 'stale':
          stale ??= `the signature of ${name} ${finding.why}`;
          break;
        case 'wrong': // G2
          return { kind: 'refused', why: `the header ${header} of ${name} ${finding.why}` };
      }
    }
    if (stale !== undefined) return { kind: 'stale', why: stale };
    if (verified !== undefined) return { kind: 'verified', scheme: verified };
    // G1
    const headers = this.#checks.map(({ header }) => header).join(', ');
    return { kind: 'unsigned', why: `it has no signature (${headers})` };
  }
}

/** @returns null where nothing is to be checked. @throws TypeError for secrets or a URL that loading a bundle refuses */
export function verifierOf(schemes: readonly SignatureScheme[], tools: VerifierTools): Verifier | null {
  if (schemes.length === 0) return null;
  const checks = schemes.map((scheme) => checkOf(scheme, tools));
  return new Verifier(checks, tools.handshakes ?? []);
}
