import { isIP } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9.-]+)):(\d{1,5})$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
/** Would be read as an IPv4 address in one of its odd spellings, or as none. */
const NUMERIC = /^[\d.]+$/;

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`; undefined for any other text. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const [, ipv6, name, digits] = ADDRESS.exec(text) ?? [];
  const port = Number(digits);
  if (!(port <= 65_535)) return undefined;
  if (ipv6 !== undefined) return isIP(ipv6) === 6 ? { host: ipv6, port } : undefined;
  if (name === undefined) return undefined;
  const valid = NUMERIC.test(name) ? isIP(name) === 4 : HOST_NAME.test(name);
  return valid ? { host: name, port } : undefined;
}
