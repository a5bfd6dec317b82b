import { type EventDraft, type IngestRequest, type Json, ProviderProblem } from 'gtpack/sdk';
import { readForm } from './form.ts';

/** `SM` or `MM` and 32 digits. */
const SID = /^[A-Z]{2}[0-9a-fA-F]{32}$/;
const COUNTS = new Set(['num_media', 'num_segments', 'error_code']);
const MAX_MEDIA = 20;

/**
 * A message from a phone. Its key is its sid: Twilio sends it again where it got no answer.
 * @throws ProviderProblem `form_invalid`, `twilio_request_invalid`
 */
export function incomingSms(request: IngestRequest): EventDraft {
  const fields = fieldsOf(request);
  const sid = sidOf(fields);
  return { event_type: 'twilio.sms.incoming', idempotency_key: sid, payload: payloadOf(fields) };
}

/**
 * What became of a message that was sent. Its key is the message's sid and the status: each comes once, though Twilio may send it again.
 * @throws ProviderProblem `form_invalid`, `twilio_request_invalid`
 */
export function smsStatus(request: IngestRequest): EventDraft {
  const fields = fieldsOf(request);
  const sid = sidOf(fields);
  const status = fields.get('MessageStatus') ?? fields.get('SmsStatus');
  if (status === undefined || !/^[a-z_-]{1,32}$/.test(status)) {
    throw new ProviderProblem(
      'twilio_request_invalid',
      'MessageStatus: a status such as "delivered" was expected; none came.',
    );
  }
  return {
    event_type: 'twilio.sms.status',
    idempotency_key: `${sid} ${status}`,
    payload: { ...payloadOf(fields), message_status: status },
  };
}

function fieldsOf({ headers, body, body_encoding }: IngestRequest): Map<string, string> {
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded' && body_encoding === 'utf8') return readForm(body);
  throw new ProviderProblem(
    'form_invalid',
    'A body of application/x-www-form-urlencoded was expected; another came.',
  );
}

function sidOf(fields: ReadonlyMap<string, string>): string {
  const sid = fields.get('MessageSid') ?? fields.get('SmsSid') ?? '';
  if (SID.test(sid)) return sid;
  throw new ProviderProblem(
    'twilio_request_invalid',
    'MessageSid: the sid of a message was expected; none came.',
  );
}

/** Twilio's fields with names such as `message_sid` for `MessageSid`; texts as they came, counts as numbers, media as a list. */
function payloadOf(fields: ReadonlyMap<string, string>): Record<string, Json> {
  // No assignment by name: a sender chooses the names, and __proto__ is one of them.
  const payload = new Map<string, Json>();
  for (const [name, value] of fields) {
    if (/^Media(?:Url|ContentType)\d+$/.test(name)) continue;
    const key = snakeCase(name);
    payload.set(key, COUNTS.has(key) && /^\d{1,9}$/.test(value) ? Number(value) : value);
  }
  const media: Json[] = [];
  for (let index = 0; index < MAX_MEDIA && fields.has(`MediaUrl${index}`); index += 1) {
    media.push({
      url: fields.get(`MediaUrl${index}`) ?? '',
      content_type: fields.get(`MediaContentType${index}`) ?? null,
    });
  }
  if (media.length > 0) payload.set('media', media);
  return Object.fromEntries(payload);
}

function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();
}
