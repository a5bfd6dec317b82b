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
