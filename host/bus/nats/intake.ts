import { errorMessage } from '../../errors.ts';
import type { JsonBounds } from '../../event/json-bounds.ts';
import { type EventType, parseEventType } from '../../event/names.ts';
import type { EventIds } from '../../event/normalize.ts';
import type { EventMessage } from '../bus.ts';
import type { Claims } from './claims.ts';
import type { EventMessages, HostEvent } from './event-message.ts';
import { readForeignEvent, textOfUnsound } from './foreign-event.ts';
import type { HostKey } from './host-key.ts';
import type { Incoming } from './incoming.ts';
import { type Lease, type Leases, NO_LEASE } from './leases.ts';
import type { OutsideGate } from './outside-gate.ts';
import type { Settlements } from './settlements.ts';

/** What becomes of a message that a consumer was given. */
export type Taken =
  /** It is for the tenant's flows. */
  | {
      readonly kind: 'event';
      readonly event: EventMessage;
      /** By the publisher's clock. */
      readonly storedAt: number;
      readonly redelivered: boolean;
      readonly lease: Lease;
      /** No host published it, and no host was given it before. */
      readonly isForeign: boolean;
    }
  /** It is over, and is to be acknowledged. */
  | { readonly kind: 'done' }
  /** Another host has it. */
  | { readonly kind: 'lost' }
  /** The tenant has had what it may have for now. */
  | { readonly kind: 'later'; readonly delayMs: number };

export interface IntakeParts {
  readonly messages: EventMessages;
  readonly key: HostKey;
  readonly claims: Claims;
  readonly leases: Leases;
  readonly settlements: Settlements;
  readonly ids: EventIds;
  readonly bounds: JsonBounds;
  /** B4: so long a claim is known. */
  readonly windowMs: number;
  readonly now: () => number;
}

/** The type of the dead letters of messages whose subject names no type. */
const UNREADABLE = parseEventType('unreadable');
const MAX_UNSOUND_BYTES = 64 * 1024;

/** Reads what a consumer was given, and decides whether it is processed here (B4). */
export class Intake {
  readonly #parts: IntakeParts;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** @throws GtpackError `bus_unavailable`: it is to be asked for again */
  async take(incoming: Incoming, outside: OutsideGate): Promise<Taken> {
    const { claims, leases, settlements } = this.#parts;
    const { tenant, sequence } = incoming;
    const read = this.#read(incoming, outside.bounds ?? this.#parts.bounds);
    if (read.kind === 'unsound') return this.#bury(incoming, read);
    const { event, at, publisher, replay } = read;
    if (publisher === null && !(await this.#hasClaim(incoming, event))) {
      const delayMs = outside.delayMs();
      if (delayMs > 0) return { kind: 'later', delayMs };
    }
    const outcome = await claims.take(tenant, event.id, { position: sequence, at }, replay?.position);
    if (outcome === 'duplicate') return { kind: 'done' };
    let lease: Lease | null = NO_LEASE;
    const isAgain = incoming.deliveries > 1;
    // A consumer that was made again gives what is over once more, and claims of it are forgotten by then.
    if (isAgain || outcome === 'again' || this.#mayBeOver(incoming)) {
      const settled = await settlements.find(tenant, sequence);
      if (settled !== null) {
        await settlements.resume(settled, event);
        return { kind: 'done' };
      }
      lease = await leases.takeOver(tenant, sequence);
      if (lease === null) return { kind: 'lost' };
    }
    // Whoever replays an event claims its id for it: that it has it already says nothing of runs.
    const redelivered = isAgain || (replay === undefined ? outcome === 'again' : !replay.fromStart);
    const isForeign = publisher === null && outcome === 'taken';
    return { kind: 'event', event, storedAt: at, redelivered, lease, isForeign };
  }

  /** It was delivered before; one that waits for its tenant's rate was given out, and was not. */
  async #hasClaim({ tenant, sequence, deliveries }: Incoming, { id }: EventMessage): Promise<boolean> {
    if (deliveries === 1) return false;
    return (await this.#parts.claims.find(tenant, id))?.position === sequence;
  }

  /** Half of the window: the server's clock and this one may differ. */
  #mayBeOver({ storedAt }: Incoming): boolean {
    const { windowMs, now } = this.#parts;
    return now() - storedAt >= windowMs / 2;
  }

  #unnamedId({ tenant, sequence, storedAt }: Incoming): string {
    return this.#parts.key.unnamedId(tenant, sequence, storedAt);
  }

  #read(incoming: Incoming, bounds: JsonBounds): Read {
    const { message, storedAt } = incoming;
    let type: EventType;
    try {
      type = parseEventType(incoming.type);
    } catch (error) {
      return { kind: 'unsound', type: UNREADABLE, reason: errorMessage(error) };
    }
    const { subject, data: body, headers } = message;
    const known = this.#parts.messages.decode(subject, type, body, headers);
    if (known !== undefined) return { kind: 'read', ...known };
    try {
      const event = readForeignEvent(
        { type, body, headers, storedAt, unnamedId: this.#unnamedId(incoming) },
        this.#parts.ids,
        bounds,
      );
      return { kind: 'read', event, at: storedAt, publisher: null };
    } catch (error) {
      return { kind: 'unsound', type, reason: errorMessage(error) };
    }
  }

  /** Never delivered, or it would come again and again. */
  async #bury(incoming: Incoming, { type, reason }: Unsound): Promise<Taken> {
    const { tenant, sequence, storedAt, message } = incoming;
    const id = this.#unnamedId(incoming);
    const event = { id, type, json: textOfUnsound(message.data, MAX_UNSOUND_BYTES) };
    const finishedAt = this.#parts.now();
    await this.#parts.settlements.settle(
      {
        ...{ kind: 'dead', tenant, position: sequence, id, type, attempts: 1, storedAt, finishedAt },
        ...{ runs: [], reason: `It is no event: ${reason}`, unsound: true },
      },
      event,
    );
    return { kind: 'done' };
  }
}

type Read =
  | (Omit<HostEvent, 'publisher'> & { readonly kind: 'read'; readonly publisher: string | null })
  | Unsound;

interface Unsound {
  readonly kind: 'unsound';
  readonly type: EventType;
  readonly reason: string;
}
