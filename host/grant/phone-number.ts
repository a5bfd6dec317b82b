/** ITU-T E.164: a country code, which never begins with 0, and at most 15 digits with it. */
const E164 = /^\+[1-9]\d{6,14}$/;
const PREFIX = /^\+[1-9]\d{0,14}$/;
const SERVICE = /^MG[0-9a-fA-F]{32}$/;
const SHORT_CODE = /^\d{3,8}$/;
/** Of GSM's alphanumeric senders; one of letters at least, or it would be a number. */
const ALPHANUMERIC = /^(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}$/;

export function isE164(text: string): boolean {
  return E164.test(text);
}

/** The sid of a messaging service, which chooses a sender itself. */
export function isMessagingService(text: string): boolean {
  return SERVICE.test(text);
}

/** What a message may come from: a number, a short code, or a name. */
export function isSenderName(text: string): boolean {
  if (isMessagingService(text)) return false;
  return isE164(text) || SHORT_CODE.test(text) || (ALPHANUMERIC.test(text) && text.trim() === text);
}

export const NUMBER_PREFIX_FORM =
  'the beginning of numbers, such as "+41" or "+1415", or "*" for all of them,';

/** An entry of a grant's `to`: `+` and the first digits, or `*`. */
export function readNumberPrefix(text: string): string | undefined {
  return text === '*' || PREFIX.test(text) ? text : undefined;
}

export function numberMatches(prefix: string, number: string): boolean {
  return prefix === '*' || number.startsWith(prefix);
}
