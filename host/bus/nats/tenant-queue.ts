import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type { ConsumeOptions, Delivery, EventMessage, Settlement } from '../bus.ts';
import type { Scheduler } from '../embedded/scheduler.ts';
import type { ParkedRun, Parking } from '../parked.ts';
import type { Connection } from './connection.ts';
import type { Incoming } from './incoming.ts';
import type { Intake } from './intake.ts';
import type { Lease, Leases } from './leases.ts';
import { OutsideGate } from './outside-gate.ts';
import type { Settled, Settlements } from './settlements.ts';

export interface TenantQueueParts {
  readonly connection: Connection;
  readonly intake: Intake;
  readonly leases: Leases;
  readonly settlements: Settlements;
  readonly scheduler: Scheduler;
  /** @throws GtpackError `bus_unavailable` */
  readonly countParked: (tenant: TenantId) => Promise<number>;
  readonly ackWaitMs: number;
  /** What this host holds of all tenants, between taking it and settling it. */
  readonly held: { total: number };
  /** Room has come, or something to ask the server for. */
  readonly onReady: (queue: TenantQueue) => void;
  /** An event that no host published is for the tenant's flows. */
  readonly onForeign: (tenant: TenantId, event: EventMessage) => void;
}

/** Longest time that a delivery is put off: more than any backoff, and still an instant that a clock knows. */
const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1000;
const MAX_ALARM_MS = 2_000_000_000;
/** A message that could not be read because the server was away is asked for again after so long. */
const RETRY_MS = 500;
/** What is put off stays in memory up to here; past it the server gives it again. */
const MAX_PARKED_CHARACTERS = 4 * 1024 * 1024;

const ACK = '+ACK';
const IN_PROGRESS = '+WPI';

/** A message between the server's giving it out and its end. */
interface Entry {
  readonly sequence: number;
  /** Of the newest time that the server gave it out. */
  reply: string;
  state: EntryState;
}

type EntryState =
  | { readonly kind: 'read' }
  /** Waits for room. */
  | { readonly kind: 'ready'; readonly held: Held }
  | { readonly kind: 'in_flight'; readonly held: Held }
  | { readonly kind: 'settling'; readonly held: Held; readonly done: Promise<void> }
  /** Put off until it is due. */
  | { readonly kind: 'parked'; readonly held: Held };

interface Held {
  readonly event: EventMessage;
  readonly storedAt: number;
  readonly redelivered: boolean;
  readonly lease: Lease;
}

/** The events of one tenant that the server gave to this host: in order, no more than its consumer takes. */
export class TenantQueue {
  readonly tenant: TenantId;
  readonly #parts: TenantQueueParts;
  readonly #entries = new Map<number, Entry>();
  /** Being read, in the order in which they came. */
  #reading: Promise<void> = Promise.resolve();
  /** Wait for room, in order. */
  readonly #ready: Entry[] = [];
  #inFlight = 0;
  /** Read, ready or in flight. */
  #unfinished = 0;
  #settling = 0;
  #parkedCharacters = 0;
  #consumer: ConsumeOptions | undefined;
  #outside = new OutsideGate(undefined, () => performance.now());
  #alarm: { readonly at: number; readonly cancel: () => void } | undefined;
  #isDelivering = false;
  #closed = false;

  constructor(tenant: TenantId, parts: TenantQueueParts) {
    this.tenant = tenant;
    this.#parts = parts;
  }

  get isConsumed(): boolean {
    return this.#consumer !== undefined;
  }

  get isOrdered(): boolean {
    return this.#consumer?.ordered ?? false;
  }

  /** What this host has of the tenant, what is put off included. */
  get size(): number {
    return this.#entries.size;
  }

  /** Read, ready or in flight: what counts against the bound of this host. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** How many more it takes from the server. */
  get room(): number {
    if (this.#consumer === undefined || this.#closed) return 0;
    const { maxInFlight, ordered = false } = this.#consumer;
    if (ordered) return this.#entries.size === 0 ? 1 : 0;
    // What is being settled has left its place; while the server stores nothing it must not pile up.
    return Math.min(maxInFlight - this.#unfinished, 2 * maxInFlight - this.#unfinished - this.#settling);
  }

  /** @throws GtpackError `bus_consumer_taken` */
  attach(consumer: ConsumeOptions): void {
    if (this.#consumer !== undefined)
      throw new GtpackError('bus_consumer_taken', `The tenant ${this.tenant} has a consumer already.`);
    this.#consumer = consumer;
    this.#outside = new OutsideGate(consumer.outside, () => performance.now());
    // What the consumer before did not settle goes first.
    const left = [...this.#entries.values()].flatMap((entry) => {
      if (entry.state.kind !== 'in_flight') return [];
      entry.state = { kind: 'ready', held: { ...entry.state.held, redelivered: true } };
      this.#inFlight -= 1;
      return [entry];
    });
    this.#ready.unshift(...left);
    this.#wake();
  }

  /** What is in flight may still be settled; the rest goes back to the server. */
  detach(consumer: ConsumeOptions): void {
    if (this.#consumer !== consumer) return;
    this.#consumer = undefined;
    for (const entry of this.#entries.values())
      if (entry.state.kind === 'ready' || entry.state.kind === 'parked') this.#giveBack(entry, 0);
    this.#ready.length = 0;
    this.#setAlarm();
  }

  receive(incoming: Incoming): void {
    const { sequence, reply, isResult } = incoming;
    if (isResult) {
      this.#parts.connection.send(reply, ACK);
      return;
    }
    const known = this.#entries.get(sequence);
    if (known !== undefined) {
      known.reply = reply;
      if (known.state.kind === 'parked') this.#sendNak(reply, this.#untilDue(known.state.held.lease));
      return;
    }
    if (this.#consumer === undefined || this.#closed) {
      this.#sendNak(reply, 0);
      return;
    }
    const entry: Entry = { sequence, reply, state: { kind: 'read' } };
    this.#entries.set(sequence, entry);
    this.#finish(-1);
    const taking = this.#parts.intake.take(incoming, this.#outside);
    taking.catch(() => undefined);
    this.#reading = this.#reading.then(() => this.#read(entry, taking));
  }

  async #read(entry: Entry, taking: ReturnType<Intake['take']>): Promise<void> {
    try {
      const taken = await taking;
      if (this.#entries.get(entry.sequence) !== entry) return;
      if (taken.kind === 'later') {
        this.#giveBack(entry, taken.delayMs);
        return;
      }
      if (taken.kind !== 'event') {
        if (taken.kind === 'done') this.#parts.connection.send(entry.reply, ACK);
        this.#forget(entry);
        return;
      }
      const { event, storedAt, redelivered, lease, isForeign } = taken;
      const held = { event, storedAt, redelivered, lease };
      if (isForeign) this.#parts.onForeign(this.tenant, event);
      if (this.#untilDue(lease) > 0) this.#park(entry, held);
      else if (this.#consumer === undefined) this.#giveBack(entry, 0);
      else {
        entry.state = { kind: 'ready', held };
        this.#ready.push(entry);
        this.#wake();
      }
    } catch {
      this.#giveBack(entry, RETRY_MS);
    }
  }

  /** Delivers in a turn of its own, so that a consumer may settle while it is called. */
  #wake(): void {
    if (this.#isDelivering || this.#closed) return;
    this.#isDelivering = true;
    queueMicrotask(() => {
      this.#isDelivering = false;
      this.#deliver();
      this.#parts.onReady(this);
    });
  }

  #deliver(): void {
    const consumer = this.#consumer;
    if (consumer === undefined || this.#closed) return;
    const max = consumer.ordered === true ? 1 : consumer.maxInFlight;
    const batch: Delivery[] = [];
    const due = this.#due();
    while (this.#inFlight < max) {
      const entry = due.shift() ?? this.#ready.shift();
      if (entry === undefined) break;
      const { state } = entry;
      if (state.kind !== 'parked' && state.kind !== 'ready') continue;
      if (state.kind === 'parked') this.#unpark(entry, state.held);
      entry.state = { kind: 'in_flight', held: state.held };
      this.#inFlight += 1;
      const { event, lease, redelivered } = state.held;
      batch.push({ ...event, sequence: entry.sequence, attempt: lease.attempts + 1, redelivered });
    }
    this.#setAlarm();
    if (batch.length > 0) consumer.onDeliveries(batch);
  }

  settle(settlement: Settlement): Promise<void> {
    const entry = this.#entries.get(settlement.delivery.sequence);
    if (entry?.state.kind === 'settling') return entry.state.done;
    if (entry?.state.kind !== 'in_flight') return Promise.resolve();
    const { held } = entry.state;
    const done = this.#endForSure(entry, held, settlement);
    entry.state = { kind: 'settling', held, done };
    this.#inFlight -= 1;
    this.#finish(1);
    this.#wake();
    return done;
  }

  /** Tries until the server has stored it: nobody else will settle this event, as long as this host says it is alive. */
  async #endForSure(entry: Entry, held: Held, settlement: Settlement): Promise<void> {
    this.#settling += 1;
    try {
      for (;;) {
        // A turn later, when the entry says that it is being settled.
        await Promise.resolve();
        try {
          await this.#end(entry, held, settlement);
          return;
        } catch (error) {
          if (this.#closed || !(error instanceof GtpackError && error.retryable)) throw error;
          await this.#parts.connection.pause(RETRY_MS);
        }
      }
    } catch (error) {
      if (this.#entries.get(entry.sequence) === entry) {
        entry.state = { kind: 'in_flight', held };
        this.#inFlight += 1;
        this.#finish(-1);
      }
      throw error;
    } finally {
      this.#settling -= 1;
    }
  }

  async #end(entry: Entry, held: Held, settlement: Settlement): Promise<void> {
    const { connection, settlements } = this.#parts;
    if (settlement.kind === 'nak') {
      await this.#putOff(entry, held, settlement.delayMs);
      return;
    }
    // Of a tick it has to be known afterwards that it is over.
    const parking = settlement.kind === 'ack' ? settlement.parking : undefined;
    const isPlain =
      settlement.kind === 'ack' &&
      settlement.runs.length === 0 &&
      parking === undefined &&
      held.event.schedule === undefined;
    // With nothing else stored the acknowledgement itself has to be confirmed.
    if (isPlain) await connection.request(entry.reply, ACK);
    else {
      const settled = this.#settled(entry, held, settlement);
      if (parking !== undefined && !(await this.#hasRoom(parking, settled))) {
        await this.#putOff(entry, held, parking.delayMs);
        return;
      }
      await settlements.settle(settled, held.event);
    }
    this.#entries.delete(entry.sequence);
    if (!isPlain) connection.send(entry.reply, ACK);
    this.#wake();
  }

  /** Hosts that park at once may pass the bound by what each of them settles at a time. */
  async #hasRoom({ runs, max }: Parking, settled: Settled): Promise<boolean> {
    if (!this.#parts.settlements.fits(settled)) return false;
    return (await this.#parts.countParked(this.tenant)) + runs.length <= max;
  }

  async #putOff(entry: Entry, held: Held, delayMs: number): Promise<void> {
    const { scheduler, leases } = this.#parts;
    const dueAt = Math.ceil(scheduler.now() + Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    const lease = await leases.putOff(this.tenant, entry.sequence, held.lease, dueAt);
    if (lease === null) {
      // Another host's by now: what this one thinks of it counts for nothing.
      this.#entries.delete(entry.sequence);
      this.#wake();
      return;
    }
    this.#finish(-1);
    this.#park(entry, { ...held, lease, redelivered: true });
    this.#wake();
  }

  #park(entry: Entry, held: Held): void {
    const left = this.#untilDue(held.lease);
    const characters = held.event.json.length;
    if (this.#consumer === undefined || this.#closed) {
      this.#giveBack(entry, 0);
      return;
    }
    if (this.#parkedCharacters + characters > MAX_PARKED_CHARACTERS && this.#parkedCharacters > 0) {
      this.#giveBack(entry, left);
      return;
    }
    this.#parkedCharacters += characters;
    this.#finish(1);
    entry.state = { kind: 'parked', held };
    // Should this host be gone by then, the server gives it to another one a little later.
    this.#sendNak(entry.reply, left + this.#parts.ackWaitMs);
    this.#setAlarm();
  }

  #unpark(entry: Entry, { event }: Held): void {
    this.#parkedCharacters -= event.json.length;
    this.#finish(-1);
    this.#parts.connection.send(entry.reply, IN_PROGRESS);
  }

  #due(): Entry[] {
    if (this.#parkedCharacters === 0) return [];
    const due = this.#parked().filter(({ lease }) => this.#untilDue(lease) <= 0);
    return due.map(({ entry }) => entry);
  }

  #parked(): { readonly entry: Entry; readonly lease: Lease }[] {
    const parked: { readonly entry: Entry; readonly lease: Lease }[] = [];
    for (const entry of this.#entries.values())
      if (entry.state.kind === 'parked') parked.push({ entry, lease: entry.state.held.lease });
    return parked.sort((a, b) => a.lease.dueAt - b.lease.dueAt || a.entry.sequence - b.entry.sequence);
  }

  #setAlarm(): void {
    const [next] = this.#parkedCharacters === 0 || this.#closed ? [] : this.#parked();
    const at = next?.lease.dueAt;
    if (at === this.#alarm?.at) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (at === undefined) return;
    const delay = Math.min(Math.max(at - this.#parts.scheduler.now(), 1), MAX_ALARM_MS);
    const cancel = this.#parts.scheduler.after(delay, () => {
      this.#alarm = undefined;
      this.#wake();
    });
    this.#alarm = { at, cancel };
  }

  /** The server's timers are told that this host is alive. */
  heartbeat(): void {
    for (const { state, reply } of this.#entries.values())
      if (state.kind !== 'parked') this.#parts.connection.send(reply, IN_PROGRESS);
  }

  /** Hands back what is not settled. */
  close(): void {
    this.#closed = true;
    this.#consumer = undefined;
    this.#finish(this.#unfinished);
    this.#alarm?.cancel();
    this.#alarm = undefined;
    for (const { reply } of this.#entries.values()) this.#sendNak(reply, 0);
    this.#entries.clear();
    this.#ready.length = 0;
  }

  #giveBack(entry: Entry, delayMs: number): void {
    this.#sendNak(entry.reply, delayMs);
    if (entry.state.kind === 'parked') {
      this.#parkedCharacters -= entry.state.held.event.json.length;
      this.#entries.delete(entry.sequence);
      return;
    }
    this.#forget(entry);
  }

  #forget(entry: Entry): void {
    if (!this.#entries.delete(entry.sequence)) return;
    this.#finish(1);
    this.#wake();
  }

  #finish(count: number): void {
    this.#unfinished -= count;
    this.#parts.held.total -= count;
  }

  #sendNak(reply: string, delayMs: number): void {
    const delay = Math.min(Math.max(Math.ceil(delayMs), 0), MAX_DELAY_MS);
    this.#parts.connection.send(reply, delay === 0 ? '-NAK' : `-NAK {"delay":${delay}000000}`);
  }

  #untilDue({ dueAt }: Lease): number {
    return dueAt - this.#parts.scheduler.now();
  }

  #settled(
    { sequence }: Entry,
    { event, storedAt, lease }: Held,
    settlement: Extract<Settlement, { kind: 'ack' | 'dead' }>,
  ): Settled {
    const { id, type } = event;
    return {
      kind: settlement.kind,
      tenant: this.tenant,
      position: sequence,
      id,
      type,
      attempts: lease.attempts + 1,
      storedAt,
      finishedAt: this.#parts.scheduler.now(),
      runs: settlement.runs.map(copied),
      ...(settlement.kind === 'ack' && settlement.parking !== undefined
        ? { parked: settlement.parking.runs.map(copiedParked) }
        : {}),
      ...(settlement.kind === 'dead' ? { reason: settlement.reason } : {}),
      ...(settlement.kind === 'dead' && settlement.alert !== undefined ? { alert: settlement.alert } : {}),
    };
  }
}

/** Only what is to be stored: a caller's object may hold more. */
function copied({
  runId,
  flow,
  flowDigest,
  status,
  durationMs,
  resultJson,
  journalJson,
  event,
}: Settled['runs'][number]) {
  const more = event === undefined ? {} : { event: { id: event.id, type: event.type } };
  return { runId, flow, flowDigest, status, durationMs, resultJson, journalJson, ...more };
}

function copiedParked({ id, dueAt, runId, state, awaits }: ParkedRun): ParkedRun {
  return { id, dueAt, runId, state, ...(awaits === undefined ? {} : { awaits }) };
}
