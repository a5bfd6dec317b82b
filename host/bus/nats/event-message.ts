import { Buffer } from 'node:buffer';
import { GtpackError } from '../../errors.ts';
import type { EventType, TenantId } from '../../event/names.ts';
import { eventSubject } from '../../event/subject.ts';
import { spanId, traceparent } from '../../event/trace.ts';
import type { EventMessage } from '../bus.ts';
import { headers, type MsgHdrs } from './client.ts';
import type { HostKey } from './host-key.ts';
import type { Layout } from './layout.ts';

/** What a host says of an event beside its text. */
export interface Dispatch {
  /** When it was published, by that host's clock; milliseconds since the Unix epoch. */
  readonly at: number;
  /** Tells the hosts of an env apart; another one at each start. */
  readonly publisher: string;
  /** Of a replay: where the event was when it died, and whether its runs start anew. */
  readonly replay?: { readonly position: number; readonly fromStart: boolean };
}

export interface EncodedEvent {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly headers: MsgHdrs;
}

/** An event that a host published, as its seal shows. */
export interface HostEvent extends Dispatch {
  readonly event: EventMessage;
}

const PUBLISHER = 'Gtpack-Publisher';
const TIME = 'Gtpack-Time';
const SCHEDULE = 'Gtpack-Schedule';
const REPLAY = 'Gtpack-Replay';
const SEAL = 'Gtpack-Seal';

/**
 * An event as a message of NATS: its text as it is, with CloudEvents' attributes as headers, as a reader who knows
 * nothing of this host expects them; and what only hosts may say, sealed with the text.
 */
export class EventMessages {
  readonly #layout: Layout;
  readonly #key: HostKey;

  constructor(layout: Layout, key: HostKey) {
    this.#layout = layout;
    this.#key = key;
  }

  encode(tenant: TenantId, event: EventMessage, dispatch: Dispatch): EncodedEvent {
    const { id, type, json, schedule } = event;
    const subject = eventSubject(this.#layout.env, tenant, type);
    const body = Buffer.from(json);
    const sealed = {
      id: encodeHeader(id),
      at: String(dispatch.at),
      publisher: dispatch.publisher,
      schedule: schedule === undefined ? '' : encodeHeader(schedule),
      replay: replayText(dispatch.replay),
    };
    const seal = this.#seal(subject, sealed, body);
    const made = headers();
    made.set('content-type', 'application/json');
    made.set('ce-specversion', '1.0');
    made.set('ce-id', sealed.id);
    made.set('ce-type', type);
    describe(made, id, json);
    made.set(PUBLISHER, sealed.publisher);
    made.set(TIME, sealed.at);
    if (sealed.schedule !== '') made.set(SCHEDULE, sealed.schedule);
    if (sealed.replay !== '') made.set(REPLAY, sealed.replay);
    made.set(SEAL, seal);
    return { subject, body, headers: made };
  }

  /** @returns undefined for a message that no host of this env made, whatever it says */
  decode(
    subject: string,
    type: EventType,
    body: Uint8Array,
    given: Pick<MsgHdrs, 'get'> | undefined,
  ): HostEvent | undefined {
    const seal = given?.get(SEAL) ?? '';
    if (given === undefined || seal === '') return undefined;
    const sealed = {
      id: given.get('ce-id'),
      at: given.get(TIME),
      publisher: given.get(PUBLISHER),
      schedule: given.get(SCHEDULE),
      replay: given.get(REPLAY),
    };
    if (this.#seal(subject, sealed, body) !== seal) return undefined;
    const event = { id: decodeURIComponent(sealed.id), type, json: Buffer.from(body).toString() };
    const [position, from] = sealed.replay.split(' ');
    return {
      event: sealed.schedule === '' ? event : { ...event, schedule: decodeURIComponent(sealed.schedule) },
      at: Number(sealed.at),
      publisher: sealed.publisher,
      ...(sealed.replay === ''
        ? {}
        : { replay: { position: Number(position), fromStart: from === 'start' } }),
    };
  }

  #seal(subject: string, sealed: Readonly<Record<SealedPart, string>>, body: Uint8Array): string {
    const { id, at, publisher, schedule, replay } = sealed;
    return this.#key.seal(subject, id, at, publisher, schedule, replay, body);
  }
}

type SealedPart = 'id' | 'at' | 'publisher' | 'schedule' | 'replay';

function replayText(replay: Dispatch['replay']): string {
  if (replay === undefined) return '';
  return `${replay.position} ${replay.fromStart ? 'start' : 'on'}`;
}

/** Source, time and trace, which stand in the event's text alone. */
function describe(made: MsgHdrs, id: string, json: string): void {
  const { source, timestamp, metadata } = JSON.parse(json) as {
    readonly source?: unknown;
    readonly timestamp?: unknown;
    readonly metadata?: { readonly trace_id?: unknown };
  };
  if (typeof source === 'string') made.set('ce-source', encodeHeader(source));
  if (typeof timestamp === 'number' && Number.isSafeInteger(timestamp) && timestamp >= 0)
    made.set('ce-time', new Date(timestamp).toISOString());
  const trace = metadata?.trace_id;
  const header = typeof trace === 'string' ? traceparent(trace, spanId('event', id)) : undefined;
  if (header !== undefined) made.set('traceparent', header);
}

/** Headers of a result or dead letter. */
export function sealedHeaders(key: HostKey, publisher: string, subject: string, body: string): MsgHdrs {
  const made = headers();
  made.set('content-type', 'application/json');
  made.set(PUBLISHER, publisher);
  made.set(SEAL, key.seal(subject, publisher, body));
  return made;
}

/** @returns which host made a result or dead letter; undefined where none did */
export function sealedBy(
  key: HostKey,
  subject: string,
  body: Uint8Array,
  given: MsgHdrs,
): string | undefined {
  const publisher = given.get(PUBLISHER);
  return given.get(SEAL) === key.seal(subject, publisher, body) ? publisher : undefined;
}

/** Which host a message says that it is from, unchecked. */
export function publisherOf(given: MsgHdrs | undefined): string {
  return given?.get(PUBLISHER) ?? '';
}

/** Percent-encoded UTF-8 (CloudEvents HTTP binding, section 3.1.3.2): a header holds no line break and no emoji. */
export function encodeHeader(text: string): string {
  return text.replace(/[^!#-$&-~]/gu, encodeURIComponent);
}

/** @throws GtpackError `event_invalid`: half a surrogate pair becomes U+FFFD on the wire, so two ids would be one */
export function checkWellFormed({ id, json }: EventMessage): void {
  if (id.isWellFormed() && json.isWellFormed()) return;
  throw new GtpackError('event_invalid', 'The event holds half of a surrogate pair; expected Unicode text.');
}
