import { type EventDraft, type IngestRequest, type Json, type JsonObject, ProviderProblem } from 'gtpack/sdk';

/** One token of an event type; `result` may not stand last. */
const TOKEN = /^(?!result$)[a-z0-9_-]{1,64}$/;
const MAX_KEY = 1024;

/**
 * The Event Webhook (docs: Event Webhook Reference): an array of what became of emails, an event each.
 * @throws ProviderProblem `sendgrid_events_invalid`
 */
export function deliveryEvents({ body, body_encoding }: IngestRequest): EventDraft[] {
  const elements = body_encoding === 'utf8' ? parsed(body) : undefined;
  if (!Array.isArray(elements))
    throw invalid('an array of events was expected as JSON; something else came.');
  return elements.map((element: Json, index): EventDraft => {
    if (!isObject(element)) throw invalid(`[${index}]: an object was expected; something else came.`);
    return draftOf(element);
  });
}

function draftOf(element: JsonObject): EventDraft {
  const { event, timestamp, sg_message_id } = element;
  // What SendGrid adds one day arrives as well, under a name that flows can ask for.
  const kind = typeof event === 'string' && TOKEN.test(event) ? event : 'other';
  const key = keyOf(element);
  return {
    event_type: `sendgrid.${kind}`,
    ...(key === undefined ? {} : { idempotency_key: key }),
    ...(isInstant(timestamp) ? { timestamp: timestamp * 1000 } : {}),
    payload:
      typeof sg_message_id === 'string' ? { ...element, message_id: messageId(sg_message_id) } : element,
  };
}

/** As `send` returned it: what stands before the first full stop is the `X-Message-Id`. */
function messageId(sgMessageId: string): string {
  const end = sgMessageId.indexOf('.');
  return end < 0 ? sgMessageId : sgMessageId.slice(0, end);
}

/** Its own id; of events of old accounts, which have none, what tells them apart. */
function keyOf({ sg_event_id, sg_message_id, event, email, timestamp, url }: JsonObject): string | undefined {
  if (typeof sg_event_id === 'string' && sg_event_id !== '' && sg_event_id.length <= MAX_KEY)
    return sg_event_id;
  if (typeof sg_message_id !== 'string' || typeof event !== 'string') return undefined;
  const key = JSON.stringify([sg_message_id, event, email ?? null, timestamp ?? null, url ?? null]);
  return key.length <= MAX_KEY ? key : undefined;
}

function isInstant(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 253_402_300_799;
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): ProviderProblem {
  return new ProviderProblem('sendgrid_events_invalid', `The body of the Event Webhook: ${message}`);
}
