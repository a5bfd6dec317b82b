import { text } from '../written/readers.ts';

const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The name of a secret, as the bundle's `secrets` has it. */
export const secretName = text(
  'the name of a secret, such as "SENDGRID_KEY": letters, digits and "_", at most 128,',
  (name) => (isSecretName(name) ? name : undefined),
);
