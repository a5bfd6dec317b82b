import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { GtpackError } from '../../errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Of the authorities that are trusted in place of the system's. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Options of TLS for the client. @param servers as in the bundle */
export function tlsOf({ ca, cert, key }: TlsFiles, servers: readonly string[]) {
  return {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(cert === undefined ? {} : { certFile: cert }),
    ...(key === undefined ? {} : { keyFile: key }),
    checkServerIdentity: identityCheck(servers),
  };
}

const UNNAMED = 'localhost';

/**
 * A server that stands in the bundle by its address has no name that the client could give to TLS, and Node then looks
 * for the certificate of "localhost": the right one was refused, and one for localhost taken. Its certificate has to be
 * for one of the addresses in the bundle.
 */
function identityCheck(servers: readonly string[]) {
  const hosts = servers.map((server) => server.replace(/^\w+:\/\//, '').replace(/:\d+$/, ''));
  const unnamed = hosts.map((host) => host.replace(/^\[|\]$/g, '')).filter((host) => isIP(host) !== 0);
  if (hosts.includes(UNNAMED)) unnamed.push(UNNAMED);
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    if (name !== UNNAMED || unnamed.length === 0) return checkServerIdentity(name, certificate);
    const faults = unnamed.map((host) => checkServerIdentity(host, certificate));
    return faults.includes(undefined) ? undefined : faults[0];
  };
}

/** What a handshake that came to nothing means; undefined for what is none of TLS. */
export function tlsFault(cause: unknown, where: string): GtpackError | undefined {
  const code = codeOf(cause);
  const reason = reasonOf(code, cause);
  if (reason === undefined) return undefined;
  return new GtpackError(
    'bus_unreachable',
    `The certificate of the NATS server at ${where} is not trusted: ${reason}.`,
    {
      cure: 'Put the certificate of the authority that signed it into the file that bus.tls.ca in the bundle names, and name the server as its certificate does.',
      cause,
    },
  );
}

const UNTRUSTED = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/;

function reasonOf(code: string, cause: unknown): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' && cause instanceof Error && 'reason' in cause)
    return String(cause.reason).replace(/\.$/, '');
  if (code === 'CERT_HAS_EXPIRED') return 'it has expired';
  return UNTRUSTED.test(code) ? `no authority that this host trusts has signed it (${code})` : undefined;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
