import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** An IP address in one form, whatever it was written as. */
export interface Address {
  /** What to dial; canonical. */
  readonly text: string;
  /** What kind of address that is not part of the public internet, such as `loopback`; null for a public one. */
  readonly special: string | null;
  /** The smallest network that holds it, as a grant names it. */
  readonly network: string;
  /** What is judged. */
  readonly ip: Ip;
}

/** A network that a grant names. */
export interface Network {
  /** In CIDR form, canonical. */
  readonly text: string;
  readonly base: Ip;
  readonly bits: number;
}

/** Platforms of clouds answer here although the address is a public one (Azure's WireServer). */
const METADATA = new Set(['168.63.129.16']);

const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
/** RFC 6052: a NAT64 gateway dials the IPv4 address in the last 32 bits. */
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];

/**
 * Reads an address as a resolver or a URL gives it. The IPv4 address inside an IPv4-mapped or a NAT64 one is what gets
 * dialled in the end, so it is what is judged.
 * @returns undefined for anything that is no plain IP address, a zone id included
 */
export function readAddress(text: string): Address | undefined {
  const parsed = parse(text);
  if (parsed === undefined) return undefined;
  const outer = plain(parsed);
  const ip = innermost(outer);
  const network = `${ip.toString()}/${ip.kind() === 'ipv4' ? 32 : 128}`;
  return { text: outer.toString(), special: specialKind(ip), network, ip };
}

function parse(text: string): Ip | undefined {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return undefined;
  // The library takes ::1.2.3.4 for an IPv4-mapped address, and the operating system dials the IPv6 address that it is.
  // The form that a URL gives it has no dots.
  const canonical = family === 6 ? URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) : text;
  return canonical === undefined ? undefined : ipaddr.parse(canonical);
}

/** Without the wrapping that the operating system takes off before it dials. */
function plain(ip: Ip): Ip {
  return ip instanceof ipaddr.IPv6 && ip.isIPv4MappedAddress() ? ip.toIPv4Address() : ip;
}

function innermost(ip: Ip): Ip {
  return ip instanceof ipaddr.IPv6 && ip.match(NAT64) ? new ipaddr.IPv4(ip.toByteArray().slice(12)) : ip;
}

/** Only what is known to be public is: a range that nobody has named yet is not. */
function specialKind(ip: Ip): string | null {
  const range = ip.range();
  if (range !== 'unicast') return RANGE_WORDS.get(range) ?? 'reserved';
  if (METADATA.has(ip.toString())) return 'metadata';
  return ip instanceof ipaddr.IPv6 && !ip.match(GLOBAL_UNICAST) ? 'reserved' : null;
}

/** The ranges of ipaddr.js that have a better name than `reserved`. */
const RANGE_WORDS: ReadonlyMap<string, string> = new Map([
  ['unspecified', 'unspecified'],
  ['broadcast', 'broadcast'],
  ['multicast', 'multicast'],
  ['linkLocal', 'link-local'],
  ['loopback', 'loopback'],
  ['carrierGradeNat', 'carrier-grade NAT'],
  ['private', 'private'],
  ['uniqueLocal', 'private'],
  ['deprecatedSiteLocal', 'private'],
  ['6to4', 'tunnelled'],
  ['teredo', 'tunnelled'],
  ['rfc6052', 'translated'],
  ['rfc6145', 'translated'],
]);

/** @returns undefined for anything that is not CIDR; the network without its host bits where they are set */
export function readNetwork(text: string): Network | undefined {
  const [, address = '', prefix] = /^([0-9a-fA-F:.]+)\/(\d{1,3})$/.exec(text) ?? [];
  const bits = Number(prefix);
  const parsed = parse(address);
  if (parsed === undefined || bits > (parsed.kind() === 'ipv4' ? 32 : 128)) return undefined;
  const kind = parsed instanceof ipaddr.IPv6 ? ipaddr.IPv6 : ipaddr.IPv4;
  const base = kind.networkAddressFromCIDR(`${parsed.toString()}/${bits}`);
  // Addresses of these two are judged as the IPv4 address inside, so a network of them would match nothing.
  if (innermost(plain(base)) !== base) return undefined;
  return { text: `${base.toString()}/${bits}`, base, bits };
}

export function networkHolds(network: Network, { ip }: Address): boolean {
  return ip.kind() === network.base.kind() && ip.match(network.base, network.bits);
}
