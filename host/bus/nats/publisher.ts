import type { TenantId } from '../../event/names.ts';
import { eventSubject } from '../../event/subject.ts';
import type { EventMessage, Receipt } from '../bus.ts';
import type { Connection } from './connection.ts';
import { checkWellFormed, type EventMessages } from './event-message.ts';
import type { HostKey } from './host-key.ts';
import { RecentIds } from './recent-ids.ts';
import { store } from './stream-api.ts';

export interface PublisherParts {
  readonly connection: Connection;
  readonly key: HostKey;
  readonly messages: EventMessages;
  /** Tells this host apart from all others. */
  readonly name: string;
  readonly windowMs: number;
  readonly now: () => number;
  /** An event is durable, and no duplicate as far as is known. */
  readonly onStored: (tenant: TenantId, event: EventMessage) => void;
}

/** Puts this host's events onto the stream. */
export class Publisher {
  readonly #parts: PublisherParts;
  readonly #recent: RecentIds;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
    this.#recent = new RecentIds(parts.windowMs);
  }

  /** B1 a receipt is what the stream's quorum acknowledged. @throws GtpackError `bus_unavailable`, `event_invalid` */
  async publish(tenant: TenantId, events: readonly EventMessage[]): Promise<Receipt[]> {
    for (const event of events) checkWellFormed(event);
    const outcomes = await Promise.allSettled(events.map((event) => this.#store(tenant, event)));
    const receipts: Receipt[] = [];
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') throw outcome.reason;
      const event = events[at];
      if (event === undefined) continue;
      if (!outcome.value) this.#parts.onStored(tenant, event);
      receipts.push({ id: event.id, duplicate: outcome.value });
    }
    return receipts;
  }

  /** Publishes an event that died, from where it was. @returns its new position @throws GtpackError `bus_unavailable` */
  async replay(
    tenant: TenantId,
    event: EventMessage,
    replay: { readonly position: number; readonly fromStart: boolean },
    isSound: boolean,
  ): Promise<{ readonly position: number; readonly at: number }> {
    const { connection, key, messages, name, now } = this.#parts;
    const at = now();
    const messageId = key.messageId('replay', tenant, String(replay.position));
    // What was no event is read like any other client's once more: it has none of an event's parts.
    const { subject, body, ...options } = isSound
      ? messages.encode(tenant, event, { at, publisher: name, replay })
      : { subject: eventSubject(connection.env, tenant, event.type), body: event.json };
    const stored = await store(connection, subject, body, { ...options, messageId });
    this.#recent.add(key.idToken(tenant, event.id), at);
    if (isSound) this.#parts.onStored(tenant, event);
    return { position: stored.kind === 'stored' ? stored.sequence : 0, at };
  }

  /** Whether an event of the id was published here within the window, behind the position. */
  hasRecent(tenant: TenantId, id: string, since: number): boolean {
    const at = this.#recent.find(this.#parts.key.idToken(tenant, id), this.#parts.now());
    return at !== undefined && at > since;
  }

  /** @returns whether it is a duplicate */
  async #store(tenant: TenantId, event: EventMessage): Promise<boolean> {
    const { connection, key, messages, name, windowMs, now } = this.#parts;
    const at = now();
    const token = key.idToken(tenant, event.id);
    if (this.#recent.find(token, at) !== undefined) return true;
    const { subject, body, headers } = messages.encode(tenant, event, { at, publisher: name });
    // With the number of the window in it: the server must not know an id for longer than the window.
    const messageId = key.messageId('event', tenant, event.id, String(Math.floor(at / windowMs)));
    const stored = await store(connection, subject, body, { headers, messageId });
    const isDuplicate = stored.kind === 'stored' && stored.duplicate;
    // When the one before was published is not known, and so not when its window ends.
    if (!isDuplicate) this.#recent.add(token, at);
    return isDuplicate;
  }
}
