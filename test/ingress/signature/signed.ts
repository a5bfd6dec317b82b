import { Buffer } from 'node:buffer';
import type { Handshake } from '../../../host/grant/handshakes.ts';
import { Secret } from '../../../host/grant/secret.ts';
import { parseSignatures, type SignaturesFile, signaturesShape } from '../../../host/grant/signatures.ts';
import type { SignedRequest } from '../../../host/ingress/signature/finding.ts';
import { type Verdict, type Verifier, verifierOf } from '../../../host/ingress/signature/verifier.ts';

/** A verifier as a bundle writes it, with secrets by name. */
export function verifier(
  signatures: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, string>>,
  publicUrl: string | null = null,
  handshakes: readonly Handshake[] = [],
): Verifier {
  const written: SignaturesFile = signaturesShape.parse(signatures);
  const made = verifierOf(parseSignatures(written), {
    secretOf: (name) => new Secret(name, secrets[name] ?? ''),
    publicUrl,
    handshakes,
  });
  if (made === null) throw new Error('The bundle names no scheme.');
  return made;
}

export function requestOf(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  url = '/events/webhook/demo/a',
): SignedRequest {
  return { url, headers, body: typeof body === 'string' ? Buffer.from(body) : body };
}

/** `verified SCHEME`, or the kind and the reason. */
export function text(verdict: Verdict): string {
  return verdict.kind === 'verified' ? `verified ${verdict.scheme}` : `${verdict.kind}: ${verdict.why}`;
}

/** The same bytes with one bit of the byte at `at` turned. */
export function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
