import type { TenantId } from '../../event/names.ts';
import type { ConsumeOptions, Delivery, EventMessage } from '../bus.ts';
import type { OperationOf, Pulled } from './wire.ts';

/** Events and bytes of one tenant that wait in memory; what is past them waits on disk. */
const MAX_HELD_EVENTS = 1024;
const MAX_HELD_BYTES = 2 * 1024 * 1024;

/** Two bytes a character: the most that a text takes in memory. */
export function memoryBytes(text: string): number {
  return text.length * 2;
}

/** What the tenants' queues hold together. */
export interface HeldBytes {
  total: number;
  readonly max: number;
}

/**
 * One tenant's deliveries. Events come straight from the publisher's memory as long as no older one waits on disk
 * (`#backlog`); else they are pulled from the store in order, never more than the consumer has room for.
 *
 * Leases live in memory only: what a dead process held is simply pending at the next start (B2).
 */
export class TenantQueue {
  readonly tenant: TenantId;
  /** Stored and not settled. */
  pending: number;
  deadLetters: number;
  /** When the nearest retry is due, as far as known; infinite without one, 0 when it must be looked up. */
  nextDue = Number.POSITIVE_INFINITY;
  #consumer: ConsumeOptions | undefined;
  readonly #held: HeldBytes;
  #ready: Delivery[] = [];
  #readyBytes = 0;
  /** Sequences in flight, and whether each is a retry. */
  readonly #leases = new Map<number, boolean>();
  /** Events past the cursor wait on disk. */
  #backlog: boolean;
  /** Highest fresh event that was taken into memory. */
  #cursor = 0;
  /** Highest event that an earlier process or consumer may have worked on. */
  #redeliveredUpTo: number;
  #pulling = false;
  /** Of a consumer that wants strict order: its oldest event was put off, and holds back all others until `nextDue`. */
  #heldBack = false;

  constructor(
    tenant: TenantId,
    counts: { readonly pending: number; readonly deadLetters: number },
    lastSequence: number,
    held: HeldBytes,
  ) {
    this.tenant = tenant;
    this.pending = counts.pending;
    this.deadLetters = counts.deadLetters;
    this.#redeliveredUpTo = lastSequence;
    this.#backlog = counts.pending > 0;
    this.#held = held;
  }

  get consumer(): ConsumeOptions | undefined {
    return this.#consumer;
  }

  /** Starts from the oldest event that is not settled, whoever held it before. */
  attach(consumer: ConsumeOptions): void {
    this.#redeliveredUpTo = Math.max(this.#redeliveredUpTo, this.#cursor);
    this.#leases.clear();
    this.#cursor = 0;
    this.#heldBack = false;
    this.#consumer = consumer;
    this.#backlog = this.pending > 0;
    this.nextDue = this.pending > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Lets go of what waits in memory. Leases stay, so that they may still be settled. */
  detach(): void {
    this.#consumer = undefined;
    this.#dropReady();
    this.#backlog = true;
    this.nextDue = Number.POSITIVE_INFINITY;
  }

  /** An event of this tenant has become durable. @param redelivered its runs may have journals */
  stored(message: EventMessage, sequence: number, redelivered: boolean): void {
    this.pending += 1;
    if (this.#consumer === undefined || this.#backlog) {
      this.#backlog = true;
      return;
    }
    const bytes = memoryBytes(message.json);
    const fits =
      this.#ready.length < MAX_HELD_EVENTS &&
      this.#readyBytes + bytes <= MAX_HELD_BYTES &&
      this.#held.total + bytes <= this.#held.max;
    if (!fits && this.#room() <= this.#ready.length) {
      this.#backlog = true;
      return;
    }
    this.#cursor = sequence;
    this.#hold({ ...message, sequence, attempt: 1, redelivered });
  }

  #hold(delivery: Delivery): void {
    const bytes = memoryBytes(delivery.json);
    this.#ready.push(delivery);
    this.#readyBytes += bytes;
    this.#held.total += bytes;
  }

  /** Hands in-memory events to the consumer, as many as it has room for. Those that a pull will bring come first. */
  deliver(): void {
    if (this.#consumer === undefined || this.#pulling) return;
    const batch = this.#ready.splice(0, this.#room());
    for (const { json } of batch) this.#release(json);
    this.#lease(this.#consumer, batch);
  }

  /** The pull that is to be made now, if any; it must be answered by `pulled` or `pullFailed`. */
  startPull(now: number): OperationOf<'pull'> | undefined {
    const limit = this.#room();
    if (this.#consumer === undefined || this.#pulling || limit <= 0) return undefined;
    if (this.#consumer.ordered === true) return this.#startPullInOrder(this.#consumer, now);
    const readsBacklog = this.#backlog && this.#ready.length === 0;
    if (!readsBacklog && this.nextDue > now) return undefined;
    this.#pulling = true;
    const leasedRetries = [...this.#leases].filter(([, isRetry]) => isRetry).map(([sequence]) => sequence);
    const after = readsBacklog ? this.#cursor : null;
    return { kind: 'pull', tenant: this.tenant, after, limit, leasedRetries, ordered: false };
  }

  /** Several at a time, which wait in memory for their turn: the disk is not asked for each of them. */
  #startPullInOrder({ maxInFlight }: ConsumeOptions, now: number): OperationOf<'pull'> | undefined {
    if (!this.#backlog || this.#ready.length > 0 || (this.#heldBack && this.nextDue > now)) return undefined;
    this.#pulling = true;
    const limit = this.#held.total < this.#held.max ? maxInFlight : 1;
    return {
      ...{ kind: 'pull', tenant: this.tenant, after: this.#cursor, limit },
      ...{ leasedRetries: [], ordered: true },
    };
  }

  /** @param asker the consumer at the time of the pull; what it asked for is left where it is once it is gone */
  pulled(asker: ConsumeOptions | undefined, pull: OperationOf<'pull'>, answer: Pulled): void {
    this.#pulling = false;
    if (this.#consumer === undefined || this.#consumer !== asker) return;
    this.nextDue = answer.nextDue ?? Number.POSITIVE_INFINITY;
    if (pull.after !== null) this.#backlog = answer.more;
    const batch = answer.events.map(({ replayed, ...event }) => {
      if (event.attempt === 1) this.#cursor = event.sequence;
      const redelivered = replayed || event.attempt > 1 || event.sequence <= this.#redeliveredUpTo;
      return { ...event, redelivered };
    });
    if (this.#consumer.ordered !== true) {
      this.#lease(this.#consumer, batch);
      return;
    }
    this.#heldBack = answer.nextDue !== null;
    // A settlement that was not stored meanwhile has its delivery in flight again.
    for (const delivery of batch) if (!this.#leases.has(delivery.sequence)) this.#hold(delivery);
    this.deliver();
  }

  pullFailed(retryAt: number): void {
    this.#pulling = false;
    // Strict order has no other alarm.
    this.#heldBack = true;
    this.nextDue = retryAt;
  }

  /**
   * Frees the delivery's place.
   * @param isPutOff in strict order it holds back those behind it, from now on
   * @returns the function that takes it back if the settlement is not stored
   */
  unlease(delivery: Delivery, isPutOff: boolean): () => void {
    const consumer = this.#consumer;
    const isRetry = this.#leases.get(delivery.sequence);
    if (isRetry === undefined) return () => undefined;
    this.#leases.delete(delivery.sequence);
    const holdsBack = isPutOff && consumer?.ordered === true;
    if (holdsBack) this.#holdBack();
    return () => {
      if (this.#consumer !== consumer) return;
      this.#leases.set(delivery.sequence, isRetry);
      if (holdsBack) this.#heldBack = false;
    };
  }

  /** What was read ahead is read again, behind the one that was put off. */
  #holdBack(): void {
    this.#dropReady();
    this.#heldBack = true;
    this.#backlog = true;
    this.#cursor = 0;
    this.nextDue = Number.POSITIVE_INFINITY;
  }

  #room(): number {
    const { ordered = false, maxInFlight } = this.#consumer ?? { maxInFlight: 0 };
    return (ordered ? Math.min(maxInFlight, 1) : maxInFlight) - this.#leases.size;
  }

  #lease(consumer: ConsumeOptions, batch: readonly Delivery[]): void {
    if (batch.length === 0) return;
    for (const { sequence, attempt } of batch) this.#leases.set(sequence, attempt > 1);
    consumer.onDeliveries(batch);
  }

  #release(json: string): void {
    const bytes = memoryBytes(json);
    this.#readyBytes -= bytes;
    this.#held.total -= bytes;
  }

  #dropReady(): void {
    this.#held.total -= this.#readyBytes;
    this.#readyBytes = 0;
    this.#ready = [];
  }
}
