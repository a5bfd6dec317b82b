import { domainToASCII } from 'node:url';
import type { Fault } from '../written/readers.ts';

/** An address as it is sent and compared. */
export interface MailAddress {
  /** As it was written before the `@`: some servers tell capitals from small letters. */
  readonly text: string;
  /** In small letters. */
  readonly local: string;
  /** ASCII, in small letters. */
  readonly domain: string;
}

/** RFC 5321, section 4.5.3.1. */
const MAX_CHARACTERS = 254;
const MAX_LOCAL_CHARACTERS = 64;

/**
 * Dot-atoms of RFC 5322, section 3.2.3. Quoted local parts are not read: two readers that disagree on where one ends see
 * two addresses, and nobody has one. Nor is a `*`, which would read like a pattern.
 */
const LOCAL = /^[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'+/=?^_`{|}~-]+)*$/;
/** Letters of any script, before the rule below; no dot but the ASCII one, and nothing that shows nothing. */
const WRITTEN_DOMAIN = /^[\p{L}\p{M}\p{N}-]+(?:\.[\p{L}\p{M}\p{N}-]+)+$/u;
const ASCII_DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads an email address: ASCII before the `@`, and a domain of the DNS with a name at its top. A domain of other letters
 * becomes ASCII by UTS #46 (Node's `domainToASCII`), and that form is what is compared and what is sent.
 * @returns undefined for anything else, such as one with a name beside it, a space, a control or an invisible character
 */
export function readMailAddress(text: string): MailAddress | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  const domain = readDomain(text.slice(at + 1));
  if (at < 1 || local.length > MAX_LOCAL_CHARACTERS || !LOCAL.test(local) || domain === undefined)
    return undefined;
  const sent = `${local}@${domain}`;
  return sent.length > MAX_CHARACTERS ? undefined : { text: sent, local: local.toLowerCase(), domain };
}

function readDomain(written: string): string | undefined {
  if (!WRITTEN_DOMAIN.test(written)) return undefined;
  const domain = domainToASCII(written);
  return domain.length <= 253 && ASCII_DOMAIN.test(domain) ? domain : undefined;
}

/** One entry of a grant's senders or recipients. */
export interface MailPattern {
  /** Canonical: `orders@example.com`, `*@example.com`, `*@*.example.com`, `*`. */
  readonly text: string;
  /** In small letters; `*` for any. */
  readonly local: string;
  /** `*` for any, `*.example.com` for every name below example.com. */
  readonly domain: string;
}

export const MAIL_PATTERN_FORM = 'an address such as "orders@example.com", "*@example.com" or "*"';

/** `*` for anybody, `*@DOMAIN`, `*@*.DOMAIN` for every name below it, or one address. */
export function readMailPattern(text: string): MailPattern | Fault | undefined {
  if (text === '*') return { text, local: '*', domain: '*' };
  if (!text.startsWith('*@')) {
    const address = readMailAddress(text);
    if (address === undefined) return undefined;
    const { local, domain } = address;
    return { text: `${local}@${domain}`, local, domain };
  }
  const below = text.startsWith('*@*.');
  const domain = readDomain(text.slice(below ? 4 : 2));
  if (domain === undefined) return undefined;
  const pattern = `${below ? '*.' : ''}${domain}`;
  return { text: `*@${pattern}`, local: '*', domain: pattern };
}

export function mailMatches(pattern: MailPattern, { local, domain }: MailAddress): boolean {
  if (pattern.local !== '*' && pattern.local !== local) return false;
  if (pattern.domain === '*' || pattern.domain === domain) return true;
  return pattern.domain.startsWith('*.') && domain.endsWith(pattern.domain.slice(1));
}
