/**
 * The rules of `POST /2010-04-01/Accounts/{Sid}/Messages.json` (www.twilio.com/docs/messaging/api/message-resource, and the
 * dictionary of errors at www.twilio.com/docs/api/errors), with the numbers that stand for each outcome in the vendor's own
 * test accounts (www.twilio.com/docs/iam/test-credentials).
 */

export interface TwilioError {
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

export interface MessageRules {
  /** Numbers and names that messages may come from. */
  readonly senders: readonly string[];
  readonly messagingServices: readonly string[];
  /** Those who answered STOP. */
  readonly unsubscribed: ReadonlySet<string>;
  /** Starts of numbers whose country is not switched on. */
  readonly blockedPrefixes: readonly string[];
}

const KNOWN = new Set(
  'To From MessagingServiceSid Body MediaUrl StatusCallback ValidityPeriod ScheduleType SendAt ContentSid ContentVariables MaxPrice ProvideFeedback Attempt SmartEncoded ShortenUrls RiskCheck'.split(
    ' ',
  ),
);
const MAX_BODY = 1600;
const MIN_SCHEDULE_MS = 900_000;
const MAX_SCHEDULE_MS = 35 * 86_400_000;
/** Numbers of the vendor's test accounts, and what becomes of a message to them. */
const MAGIC: Readonly<Record<string, number>> = {
  '+15005550001': 21211,
  '+15005550002': 21612,
  '+15005550003': 21408,
  '+15005550004': 21610,
  '+15005550009': 21614,
};

/** What is wrong with a message's form; undefined for one that is taken. */
export function messageError(
  form: URLSearchParams,
  rules: MessageRules,
  now: number,
): TwilioError | undefined {
  const bad = (code: number, message: string): TwilioError => ({ status: 400, code, message });
  const names = [...form.keys()];
  const unknown = names.find((name) => !KNOWN.has(name));
  if (unknown !== undefined) return bad(20001, `Unknown parameter: ${unknown}`);
  const twice = names.find((name, at) => name !== 'MediaUrl' && names.indexOf(name) !== at);
  if (twice !== undefined) return bad(20001, `Parameter given more than once: ${twice}`);

  const to = form.get('To') ?? '';
  const from = form.get('From');
  const service = form.get('MessagingServiceSid');
  const body = form.get('Body');
  if (to === '') return bad(21604, "A 'To' phone number is required.");
  if ((from ?? '') === '' && (service ?? '') === '') return bad(21603, "A 'From' phone number is required.");
  if ((body ?? '') === '' && !form.has('MediaUrl') && !form.has('ContentSid'))
    return bad(21602, 'Message body is required.');
  if ([...(body ?? '')].length > MAX_BODY)
    return bad(21617, `The concatenated message body exceeds the ${MAX_BODY} character limit`);
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return bad(21211, `Invalid 'To' Phone Number: ${masked(to)}`);
  const magic = MAGIC[to];
  if (magic === 21211) return bad(21211, `Invalid 'To' Phone Number: ${masked(to)}`);
  if (magic === 21612)
    return bad(
      21612,
      `Message cannot be sent with the current combination of 'To' (${to}) and/or 'From' parameters`,
    );
  if (magic === 21614) return bad(21614, `'To' number is not a valid mobile number: ${to}`);
  if (magic === 21408 || rules.blockedPrefixes.some((prefix) => to.startsWith(prefix)))
    return bad(
      21408,
      `Permission to send an SMS has not been enabled for the region indicated by the 'To' number: ${to}`,
    );
  if (magic === 21610 || rules.unsubscribed.has(to))
    return bad(21610, 'Attempt to send to unsubscribed recipient');
  if (from !== null && !rules.senders.includes(from))
    return bad(
      21606,
      `The 'From' phone number provided (${from}) is not a valid, SMS-capable inbound phone number or short code for your account.`,
    );
  if (service !== null && !rules.messagingServices.includes(service))
    return bad(21705, `The Messaging Service Sid ${service} is invalid.`);
  const media = form.getAll('MediaUrl');
  if (media.length > 10) return bad(21623, 'Number of media files exceeds allowed limit of 10');
  const badMedia = media.find((url) => !isHttpUrl(url));
  if (badMedia !== undefined) return bad(21620, `Invalid media URL(s): ${badMedia}`);
  const callback = form.get('StatusCallback');
  if (callback !== null && !isHttpUrl(callback))
    return bad(21609, `The 'StatusCallback' URL ${callback} is not a valid URL.`);
  const validity = form.get('ValidityPeriod');
  if (validity !== null && !(/^\d+$/.test(validity) && Number(validity) >= 1 && Number(validity) <= 36_000))
    return bad(21626, `The ValidityPeriod ${validity} is invalid; it has to be from 1 to 36000 seconds.`);
  return scheduleError(form, now, bad);
}

function scheduleError(
  form: URLSearchParams,
  now: number,
  bad: (code: number, message: string) => TwilioError,
): TwilioError | undefined {
  const type = form.get('ScheduleType');
  const sendAt = form.get('SendAt');
  if (type === null && sendAt === null) return undefined;
  if (form.get('MessagingServiceSid') === null)
    return bad(35118, 'MessagingServiceSid is required to schedule a message');
  if (type !== 'fixed') return bad(35115, "The 'ScheduleType' parameter has to be 'fixed'.");
  if (sendAt === null) return bad(35111, "The 'SendAt' parameter is required to schedule a message.");
  const ahead = Date.parse(sendAt) - now;
  if (
    !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/.test(sendAt) ||
    !(ahead >= MIN_SCHEDULE_MS && ahead <= MAX_SCHEDULE_MS)
  )
    return bad(
      35114,
      "The 'SendAt' time must be between 900 seconds and 35 days (3024000 seconds) in the future.",
    );
  return undefined;
}

export interface Message {
  readonly sid: string;
  readonly accountSid: string;
  readonly form: URLSearchParams;
}

/** The resource as the API gives it back: every number a text, every instant as RFC 2822 has it. */
export function messageResource({ sid, accountSid, form }: Message, now: number): Record<string, unknown> {
  const date = new Date(now).toUTCString().replace('GMT', '+0000');
  const service = form.get('MessagingServiceSid');
  const uri = `/2010-04-01/Accounts/${accountSid}/Messages/${sid}`;
  const body = form.get('Body') ?? '';
  return {
    account_sid: accountSid,
    api_version: '2010-04-01',
    body,
    date_created: date,
    date_sent: null,
    date_updated: date,
    direction: 'outbound-api',
    error_code: null,
    error_message: null,
    from: form.get('From'),
    messaging_service_sid: service,
    num_media: String(form.getAll('MediaUrl').length),
    // Without a sender there is no telling yet.
    num_segments: service === null ? String(segmentsOf(body)) : '0',
    price: null,
    price_unit: service === null ? 'USD' : null,
    sid,
    status: form.has('SendAt') ? 'scheduled' : service === null ? 'queued' : 'accepted',
    subresource_uris: { media: `${uri}/Media.json` },
    to: form.get('To'),
    uri: `${uri}.json`,
  };
}

/** Of GSM 03.38: 160 or 153 septets; else 70 or 67 units of UTF-16. */
function segmentsOf(body: string): number {
  const plain =
    /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\[~\]|€\f]*$/u;
  if (!plain.test(body)) return body.length <= 70 ? 1 : Math.ceil(body.length / 67);
  const septets = body.length + (body.match(/[\^{}\\[~\]|€\f]/g)?.length ?? 0);
  return septets <= 160 ? 1 : Math.ceil(septets / 153);
}

function masked(number: string): string {
  return number.length > 6 ? `${number.slice(0, -4)}XXXX` : number;
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'https:' || url.protocol === 'http:');
}
