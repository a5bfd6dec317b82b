import { Buffer, isUtf8 } from 'node:buffer';
import { createHash, createHmac, type KeyObject } from 'node:crypto';
import type { TwilioScheme } from '../../grant/signature-scheme.ts';
import { sameText } from './compare.ts';
import { ABSENT, headerOf, type SchemeCheck, type SignedRequest, VERIFIED, wrong } from './finding.ts';

/** Twilio's longest webhooks have some tens. More would be sorted for whoever sends them. */
const MAX_PARAMETERS = 1000;
/** Taking a form apart costs many times what hashing it does; Twilio's have a few kilobytes. */
const MAX_FORM_BYTES = 128 * 1024;
const FORM = /^application\/x-www-form-urlencoded(?:\s*;|$)/i;

/**
 * Twilio (www.twilio.com/docs/usage/security): HMAC-SHA1 in base64 over the URL as Twilio was given it, and then the
 * names and values of the form, sorted. A body that is no form is covered by its digest in the URL, `bodySHA256`.
 *
 * No time is signed, and nothing parts a name from its value: what keeps a delivery from being sent again is its id.
 *
 * @param publicUrl what stands before the path where Twilio sends to, without a slash at its end
 */
export function twilioCheck(
  { name, header }: TwilioScheme,
  keys: readonly KeyObject[],
  publicUrl: string,
): SchemeCheck {
  const bases = [publicUrl, otherSpelling(publicUrl)];
  return {
    name,
    header,
    check(request) {
      const sent = headerOf(request.headers, header);
      if (sent === undefined) return ABSENT;
      const covered = coveredOf(request);
      if ('why' in covered) return wrong(covered.why);
      const form = Buffer.from(covered.text, 'utf8');
      for (const key of keys) {
        for (const base of bases) {
          const hmac = createHmac('sha1', key).update(`${base}${request.url}`).update(form);
          if (sameText(hmac.digest('base64'), sent)) return VERIFIED;
        }
      }
      return wrong(
        `is not what any of the secrets makes of this request at ${publicUrl} (http.public_url), with its path and query`,
      );
    },
  };
}

/** Twilio signs with the port for some products and without it for others. */
function otherSpelling(publicUrl: string): string {
  const [, scheme = '', host = '', port, path = ''] =
    /^(https?):\/\/([^/:[]+|\[[^\]]*\])(:\d+)?(\/.*)?$/.exec(publicUrl) ?? [];
  const own = scheme === 'https' ? ':443' : ':80';
  return `${scheme}://${host}${port === undefined ? own : ''}${path}`;
}

type Covered = { readonly text: string } | { readonly why: string };

/** What is signed after the URL. */
function coveredOf({ url, headers, body }: SignedRequest): Covered {
  // Before an empty body is let through: whoever takes the body away must not keep the signature.
  const digest = queryOf(url).get('bodySHA256');
  if (digest !== null) {
    return sameText(createHash('sha256').update(body).digest('hex'), digest.toLowerCase())
      ? { text: '' }
      : { why: 'covers another body: bodySHA256 is not the digest of this one' };
  }
  if (body.length === 0) return { text: '' };
  return FORM.test(headers['content-type'] ?? '')
    ? sortedForm(body)
    : { why: 'does not cover the body, which is no form and has no bodySHA256 in the URL' };
}

function queryOf(url: string): URLSearchParams {
  const start = url.indexOf('?');
  return pairsOf(start === -1 ? '' : url.slice(start + 1));
}

/** A leading "?" is part of the first name; `URLSearchParams` would take it away. */
function pairsOf(text: string): URLSearchParams {
  return new URLSearchParams(`&${text}`);
}

/** Names in the order of their characters, each with each of its different values, in order, after it. */
function sortedForm(body: Buffer): Covered {
  if (body.length > MAX_FORM_BYTES) return { why: `is of a form of more than ${MAX_FORM_BYTES} bytes` };
  if (!isUtf8(body)) return { why: 'is of a form that is not UTF-8' };
  let parameters = 1;
  for (const byte of body) {
    if (byte === 0x26) parameters += 1;
  }
  if (parameters > MAX_PARAMETERS) return { why: `is of a form with more than ${MAX_PARAMETERS} parameters` };
  const values = new Map<string, Set<string>>();
  for (const [name, value] of pairsOf(body.toString('utf8'))) {
    const own = values.get(name);
    if (own === undefined) values.set(name, new Set([value]));
    else own.add(value);
  }
  let text = '';
  for (const name of [...values.keys()].sort()) {
    for (const value of [...(values.get(name) ?? [])].sort()) text += name + value;
  }
  return { text };
}
