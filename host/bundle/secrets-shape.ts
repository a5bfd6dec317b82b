import * as z from 'zod';
import { isSecretName } from '../grant/secret-name.ts';

/** Where a secret comes from. */
export type SecretSource =
  | { readonly kind: 'env'; readonly variable: string }
  /** Relative to the bundle's folder. */
  | { readonly kind: 'file'; readonly path: string };

const VARIABLE = /^env:([A-Za-z_][A-Za-z0-9_]{0,255})$/;
const FILE = /^file:([^\0]+)$/;
const FORM = 'env:VARIABLE or file:PATH';

/** From where the host gets a secret. What came instead is never quoted: it may be the secret itself. */
export const secretSource = z.unknown().transform((written, context): SecretSource => {
  const source = typeof written === 'string' ? sourceOf(written) : undefined;
  if (source !== undefined) return source;
  const message = `${FORM} was expected, which says where the secret is; it does not stand here itself.`;
  context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

/** `secrets` as people write it. */
export const secretsShape = z.record(z.string().refine(isSecretName), secretSource, {
  error: (issue) =>
    issue.code === 'invalid_key'
      ? 'The name of a secret is 1 to 128 letters, digits and "_", and begins with no digit.'
      : `A mapping of names to ${FORM} was expected.`,
});

function sourceOf(written: string): SecretSource | undefined {
  const [, variable] = VARIABLE.exec(written) ?? [];
  if (variable !== undefined) return { kind: 'env', variable };
  const [, path] = FILE.exec(written) ?? [];
  return path === undefined ? undefined : { kind: 'file', path };
}
