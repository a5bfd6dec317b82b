import {
  type Authenticator,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from './client.ts';

/** How a host shows a server who it is. */
export type Credentials =
  | { readonly kind: 'none' }
  /** The text of a `.creds` file: a JWT and the seed of its key. */
  | { readonly kind: 'creds'; readonly text: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  /** The seed of a user's nkey, as in `SUAM…`. */
  | { readonly kind: 'nkey'; readonly seed: string };

const NKEY_SEED = /^SU[A-Z2-7]{56}$/;

/** What a file or variable with credentials holds: a `.creds` file, an nkey's seed, `user:password`, or else a token. */
export function credentialsOf(text: string): Credentials {
  if (text.includes('BEGIN NATS USER JWT')) return { kind: 'creds', text };
  if (NKEY_SEED.test(text.trim())) return { kind: 'nkey', seed: text.trim() };
  const at = text.indexOf(':');
  if (at < 0) return { kind: 'token', token: text };
  return { kind: 'password', user: text.slice(0, at), password: text.slice(at + 1) };
}

export function authenticatorOf(credentials: Credentials): Authenticator | undefined {
  const { kind } = credentials;
  switch (kind) {
    case 'none':
      return undefined;
    case 'creds':
      return credsAuthenticator(new TextEncoder().encode(credentials.text));
    case 'password':
      return usernamePasswordAuthenticator(credentials.user, credentials.password);
    case 'token':
      return tokenAuthenticator(credentials.token);
    case 'nkey':
      return nkeyAuthenticator(new TextEncoder().encode(credentials.seed));
    default:
      return kind satisfies never;
  }
}
