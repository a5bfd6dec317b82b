import {
  checkAddress,
  checkHeaders,
  checkKeys,
  checkSendAt,
  type Fields,
  isFields,
  type Kind,
  kindOf,
  type Tell,
} from './mail-shape.ts';

const PERSONALIZATION_KEYS: Readonly<Record<string, Kind>> = {
  from: 'object',
  to: 'array',
  cc: 'array',
  bcc: 'array',
  subject: 'string',
  headers: 'object',
  substitutions: 'object',
  dynamic_template_data: 'object',
  custom_args: 'object',
  send_at: 'integer',
};

export function checkPersonalizations(body: Fields, nowSeconds: number, tell: Tell): void {
  const { personalizations } = body;
  if (!Array.isArray(personalizations) || personalizations.length === 0) {
    tell(
      'personalizations',
      'The personalizations field is required and must have at least one personalization.',
      '-Personalizations-Errors',
    );
    return;
  }
  if (personalizations.length > 1000) {
    tell(
      'personalizations',
      `The personalization block is limited to 1000 personalizations per API request. You have provided ${personalizations.length} personalizations. Please consider splitting this into multiple requests and resending your request.`,
      'message.personalizations',
    );
  }
  let recipients = 0;
  let subjects = 0;
  for (const [index, each] of personalizations.entries() as Iterable<[number, unknown]>) {
    const path = `personalizations.${index}`;
    if (!isFields(each)) {
      tell(path, `Invalid type. Expected: object, given: ${kindOf(each)}.`);
      continue;
    }
    checkKeys(each, PERSONALIZATION_KEYS, `${path}.`, tell);
    const seen = new Set<string>();
    for (const list of ['to', 'cc', 'bcc']) {
      const addresses = each[list];
      if (list === 'to' && (!Array.isArray(addresses) || addresses.length === 0)) {
        tell(
          `${path}.to`,
          'The to array is required for all personalization objects, and must have at least one email object with a valid email address.',
          'message.personalizations.to',
        );
      }
      if (!Array.isArray(addresses)) continue;
      recipients += addresses.length;
      for (const [at, address] of addresses.entries()) {
        const email = checkAddress(
          address,
          `${path}.${list}.${at}`,
          tell,
          'Does not contain a valid address.',
        );
        if (email === undefined) continue;
        if (seen.has(email)) {
          tell(
            path,
            `Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance of [${email}] in the ${path}.${list} field.`,
            'message.recipient-errors',
          );
        }
        seen.add(email);
      }
    }
    if (typeof each.subject === 'string' && each.subject !== '') subjects += 1;
    checkHeaders(each.headers, `${path}.headers`, tell);
    checkSendAt(each.send_at, `${path}.send_at`, nowSeconds, tell);
    if (each.dynamic_template_data !== undefined && each.substitutions !== undefined) {
      tell(path, 'Substitutions may not be used with dynamic templating', 'message.personalizations');
    }
  }
  if (recipients > 1000) {
    tell(
      'personalizations',
      `The total number of recipients must be no more than 1000. You have provided ${recipients}.`,
      'message.recipient-errors',
    );
  }
  const subject = body.subject;
  const has = (typeof subject === 'string' && subject !== '') || subjects === personalizations.length;
  if (!has && body.template_id === undefined) {
    tell(
      'subject',
      'The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.',
      'message.subject',
    );
  }
}
