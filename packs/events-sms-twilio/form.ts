import { ProviderProblem } from 'gtpack/sdk';

/** Twilio sends some 25; a vendor of media ten more of two fields each. */
const MAX_FIELDS = 500;

/**
 * The fields of `application/x-www-form-urlencoded`, in their order; of one name the last counts.
 * @throws ProviderProblem `form_invalid`
 */
export function readForm(body: string): Map<string, string> {
  const pairs = body.split('&', MAX_FIELDS + 1);
  if (pairs.length > MAX_FIELDS) throw invalid(`at most ${MAX_FIELDS} fields were expected; more came`);
  const fields = new Map<string, string>();
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = equals < 0 ? pair : pair.slice(0, equals);
    fields.set(decode(name), equals < 0 ? '' : decode(pair.slice(equals + 1)));
  }
  return fields;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalid('percent-encoded UTF-8 was expected; something else came');
  }
}

function invalid(message: string): ProviderProblem {
  return new ProviderProblem('form_invalid', `The form: ${message}.`);
}
