import { Buffer } from 'node:buffer';
import type { HttpGrant } from '../../grant/http-grant.ts';
import type { Secret } from '../../grant/secret.ts';

/** What could steer a terminal or turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const MAX_CHARACTERS = 300;

/**
 * A vendor's own words for a guest: on one line, not long, and without the key that it was sent, in whatever form it
 * echoes it.
 */
export function vendorText(text: string, hidden: readonly string[]): string {
  let told = text;
  for (const form of hidden) told = told.replaceAll(form, '[the key]');
  const line = told.replace(UNPRINTABLE, ' ').trim();
  return line.length > MAX_CHARACTERS ? `${line.slice(0, MAX_CHARACTERS).toWellFormed()}…` : line;
}

/** The forms of a grant's key that a vendor saw, or may make of what it saw. Longer ones first: a part of one may be another. */
export function formsOf({ credentials: [credential] }: HttpGrant, secret: Secret): readonly string[] {
  const value = secret.reveal();
  const sent = credential?.valueOf(secret) ?? value;
  const encoded = Buffer.from(value).toString('base64');
  const inForm = new URLSearchParams([['', value]]).toString().slice(1);
  const forms = [sent, sent.replace(/^\w+ /, ''), value, encodeURIComponent(value), inForm, encoded];
  return [...new Set(forms)].filter((form) => form !== '').sort((a, b) => b.length - a.length);
}
