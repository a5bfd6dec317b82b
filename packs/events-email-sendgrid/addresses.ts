import { type MailAddress, ProviderProblem } from 'gtpack/sdk';

/** `a@example.com`, `Ann <a@example.com>`, or the two parts. */
export type WrittenAddress = string | { readonly email: string; readonly name?: string };
export type WrittenAddresses = WrittenAddress | readonly WrittenAddress[];

/** What a mail server may take for the end of a line, what shows nothing, and what turns the writing around. */
const UNSEEN = /[\p{Cc}\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;
const WITH_NAME = /^([^<>]*)<([^<>]*)>$/;
/** Strictness is the host's, whose grant names the addresses; this names the field of what is none at all. */
const EMAIL = /^[\w!#$%&'*+/=?^`{|}~.-]+@[^\s@<>,;:"()[\]\\]+\.[^\s@<>,;:"()[\]\\.]+$/;
const MAX_EMAIL = 254;

export function readAddresses(written: WrittenAddresses | undefined, field: string): MailAddress[] {
  if (written === undefined) return [];
  if (!isList(written)) return [readAddress(written, field)];
  return written.map((each, index) => readAddress(each, `${field}[${index}]`));
}

/** @throws ProviderProblem `email_address_invalid`, `email_text_invalid` */
export function readAddress(written: WrittenAddress, field: string): MailAddress {
  if (typeof written !== 'string') return address(written.email, written.name, field);
  const [, name, email] = WITH_NAME.exec(written) ?? [];
  if (email === undefined) return address(written, undefined, field);
  const shown = (name ?? '').trim().replace(/^"(.*)"$/, '$1');
  return address(email, shown === '' ? undefined : shown, field);
}

function address(written: string, name: string | undefined, field: string): MailAddress {
  const email = written.trim();
  if (email.length > MAX_EMAIL || UNSEEN.test(email) || !EMAIL.test(email)) {
    throw new ProviderProblem(
      'email_address_invalid',
      `${field}: an address such as a@example.com was expected; ${shown(written)} came.`,
    );
  }
  return name === undefined ? { email } : { email, name: oneLine(name, `${field}.name`) };
}

/**
 * A text that is shown as one line, as a header is: a line break in it would begin another header.
 * @throws ProviderProblem `email_text_invalid`
 */
export function oneLine(text: string, field: string): string {
  const at = text.search(UNSEEN);
  if (at < 0) return text;
  const code = (text.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw new ProviderProblem(
    'email_text_invalid',
    `${field}: one line without control and invisible characters was expected; U+${code} came at position ${at}.`,
  );
}

function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function isList(written: WrittenAddresses): written is readonly WrittenAddress[] {
  return Array.isArray(written);
}
