import { Fault } from '../written/readers.ts';

const MAX_CHARACTERS = 2048;

/**
 * The base of the URLs that senders are given, as they are given it: scheme, host, port and perhaps a path, without a
 * slash at the end. Kept letter by letter, since senders sign it so. Undefined for any other text.
 */
export function parsePublicUrl(text: string): string | Fault | undefined {
  // Not quoted: it may hold a password.
  if (text.includes('@')) return new Fault('A URL without user and password was expected, and without "@".');
  if (text.length > MAX_CHARACTERS || !/^https?:\/\/[\x21-\x7e]+$/.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null || /[?#\\]/.test(text)) return undefined;
  return text.replace(/\/+$/, '');
}
