import type { EventMessage, Receipt } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import { isEventId, parseOpenEventType, quoted, type TenantId } from '../event/names.ts';
import type { HttpAnswer, IngestRequest, JobResult, NormalizedEvent } from '../sandbox/protocol.ts';
import { checkedHeaders } from './answer.ts';
import type { IngressDelivery } from './delivery.ts';
import type { IngressTenant } from './directory.ts';
import { type Refusal, refusalOfJobError, refusalOfProblem } from './refusal.ts';
import type { Waiter, Waiters } from './waiters.ts';

/** What a request comes to. */
export type Exchange =
  | { readonly kind: 'accepted'; readonly body: string; readonly eventIds: string }
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly body: string;
      readonly eventIds: string;
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

export interface ExchangeOptions {
  readonly delivery: IngressDelivery;
  readonly waiters: Waiters;
  /** How long a request waits for a flow's answer. */
  readonly responseTimeoutMs: number;
}

/** Ids of events that an answer names in its header; of 128 characters each at most. */
const MAX_HEADER_IDS = 20;

/** Calls back when the sender went away; ingress stops waiting then. */
export type OnGone = (gone: () => void) => void;

/**
 * Takes one request from the provider to the bus. The events are durable (B1) when this resolves as accepted or
 * answered.
 * @throws GtpackError as the delivery does; `event_invalid` and `answer_invalid` for what came out of the cell
 */
export async function exchange(
  { delivery, waiters, responseTimeoutMs }: ExchangeOptions,
  tenant: IngressTenant,
  provider: string,
  request: IngestRequest,
  onGone: OnGone,
): Promise<Exchange> {
  const result = await delivery.ingest(tenant.id, provider, request);
  if (result.kind !== 'events') return { kind: 'refused', refusal: refusalOfResult(result) };
  const messages = result.events.map(checkedMessage);
  // Before the events are published: an answer that the sender can't get must not leave events behind.
  const own = result.answer === undefined ? undefined : answered(result.answer, messages);
  if (messages.length === 0) return own ?? accepted([]);

  // An `http_response` is what the operator wrote; the provider's own answer is for where no flow has one.
  const waiting = answerable(delivery, tenant.id, messages);
  if (waiting.length === 0) {
    const receipts = await delivery.publish(tenant.id, messages);
    return own ?? accepted(receipts);
  }
  const waiter = waiters.open(tenant.id, waiting);
  try {
    const receipts = await delivery.publish(tenant.id, messages);
    // A duplicate's flows ran before, or run for another request; they answer nobody here.
    for (const { id, duplicate } of receipts) if (duplicate) waiter.eventDone(id);
    const answer = await settled(waiter, responseTimeoutMs, onGone);
    return answer === null ? (own ?? accepted(receipts)) : answered(answer, messages);
  } finally {
    waiter.close();
  }
}

function settled(waiter: Waiter, timeoutMs: number, onGone: OnGone): Promise<HttpAnswer | null> {
  waiter.startTimer(timeoutMs);
  onGone(waiter.release);
  return waiter.answered;
}

/** Ids of the events whose flows answer the webhook. */
function answerable(
  delivery: IngressDelivery,
  tenant: TenantId,
  messages: readonly EventMessage[],
): readonly string[] {
  const ids: string[] = [];
  for (const { id, type } of messages) if (delivery.answersWebhook(tenant, type)) ids.push(id);
  return ids;
}

function refusalOfResult(result: Exclude<JobResult, { kind: 'events' }>): Refusal {
  switch (result.kind) {
    case 'problem':
      return refusalOfProblem(result.problem);
    case 'error':
      return refusalOfJobError(result.code, result.message);
    case 'output':
    case 'memory':
    case 'runs':
      throw new Error(`an ingest job answered with ${result.kind}`);
  }
}

/** The cell is not trusted with what becomes a subject or a header. */
function checkedMessage(event: NormalizedEvent): EventMessage {
  if (!isEventId(event.id)) {
    throw new GtpackError(
      'event_invalid',
      `The provider's event has the id ${quoted(event.id)}, which is no event id.`,
    );
  }
  return { id: event.id, type: parseOpenEventType(event.type), json: event.json };
}

function answered(answer: HttpAnswer, messages: readonly EventMessage[]): Exchange {
  return {
    kind: 'answered',
    status: answer.status,
    headers: checkedHeaders(answer),
    body: answer.body,
    eventIds: joinedIds(messages),
  };
}

/**
 * The 202: `{ "ids": [...], "id": "...", "duplicate": true }`; `id` for a single event, `duplicate` when every event
 * of the request was stored before. An event id is printable ASCII, so only quotes and backslashes need escaping.
 */
function accepted(receipts: readonly Receipt[]): Exchange {
  const [first] = receipts;
  if (first === undefined) return { kind: 'accepted', body: '{"ids":[]}', eventIds: '' };
  if (receipts.length === 1) {
    const id = JSON.stringify(first.id);
    const duplicate = first.duplicate ? ',"duplicate":true' : '';
    return { kind: 'accepted', body: `{"ids":[${id}],"id":${id}${duplicate}}`, eventIds: first.id };
  }
  const ids = receipts.map(({ id }) => JSON.stringify(id)).join(',');
  const duplicate = receipts.every((receipt) => receipt.duplicate) ? ',"duplicate":true' : '';
  return { kind: 'accepted', body: `{"ids":[${ids}]${duplicate}}`, eventIds: joinedIds(receipts) };
}

/** Empty for more than a header should hold: clients and proxies drop an answer with more than 8 or 16 KiB of headers. */
function joinedIds(list: readonly { readonly id: string }[]): string {
  if (list.length === 1) return list[0]?.id ?? '';
  return list.length > MAX_HEADER_IDS ? '' : list.map(({ id }) => id).join(',');
}
