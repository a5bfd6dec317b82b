import type { GtpackError } from '../errors.ts';
import type { JsonBounds } from '../event/json-bounds.ts';
import type { EventType, TenantId } from '../event/names.ts';
import type { Parking } from './parked.ts';
import type { DeadLetters, FinishedRuns } from './records.ts';
import type { ScheduleStore } from './schedules.ts';
import type { StateStore } from './state.ts';
import type { TimerStore } from './timers.ts';
import type { Waits } from './waits.ts';

/**
 * The bus: where accepted events are kept until every matching run is finished.
 *
 * Promises (cited by number where the code keeps them, and in the titles of tests):
 * - B1 a resolved `publish` is durable.
 * - B2 every event is delivered at least once, and a tenant's backlog delays no other tenant.
 * - B3 what `publish` recorded in a run's journal is found by the run's next delivery.
 * - B4 the same id of the same tenant within the window is delivered once.
 * - B5 a dead letter keeps the event, the reason and the journal, and can be replayed.
 */
export interface Bus {
  readonly deadLetters: DeadLetters;
  readonly runs: FinishedRuns;

  /**
   * Stores events; resolves when they are durable (B1). Entries of a run's journal that go with them are stored in
   * the same transaction where the implementation has one, and before the receipt in any case (B3).
   * Receipts are in the order of the messages. With no messages it records the journal alone.
   * @throws GtpackError `bus_unavailable`, `bus_disk_full`
   */
  publish(
    tenant: TenantId,
    messages: readonly EventMessage[],
    journal?: readonly JournalEntry[],
  ): Promise<Receipt[]>;

  /**
   * Delivers a tenant's events in order, in batches, at most `maxInFlight` of them unsettled at a time. Events that an
   * earlier process or consumer took and did not settle come first, with `redelivered` set. One consumer a tenant.
   * @throws GtpackError `bus_consumer_taken`
   */
  consume(tenant: TenantId, options: ConsumeOptions): Promise<Consumer>;

  /** The journals of runs, as far as they were recorded; runs without entries are left out. */
  journals(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly JournalEntry[]>>;

  /** Hears every event and result once it is durable, in commit order. @returns the function that stops it */
  tap(listener: TapListener): () => void;

  /** Stores what was asked for before, and nothing more; what is in flight is redelivered at the next start. */
  close(): Promise<void>;
}

/** A bus, and what lies in the same store. */
export interface DurableBus extends Bus {
  readonly state: StateStore;
  readonly timers: TimerStore;
  readonly waits: Waits;
  readonly schedules: ScheduleStore;
  /** What waits and what died, per tenant; tenants with neither may be left out. @throws GtpackError `bus_unavailable` */
  counts(): Promise<ReadonlyMap<TenantId, TenantCounts>>;
  /**
   * Resolves, with the reason, once the bus can do nothing more and will not come back by itself: only another process
   * can go on with what it holds. Never where it was closed.
   */
  readonly lost: Promise<GtpackError>;
}

export interface TenantCounts {
  /** Stored and not settled, in flight included. */
  readonly pending: number;
  readonly deadLetters: number;
  /** When the oldest of them that is not settled was stored, in milliseconds since the Unix epoch, where it is known. */
  readonly oldestAt?: number;
}

/** One event to publish. */
export interface EventMessage {
  readonly id: string;
  readonly type: EventType;
  /** The event as JSON text. The bus never parses it. */
  readonly json: string;
  /** Set when the event is a tick: the schedule whose trigger it answers. */
  readonly schedule?: string;
}

export interface Receipt {
  readonly id: string;
  /** The id was stored before, within the window (B4); nothing new was stored. */
  readonly duplicate: boolean;
}

export interface ConsumeOptions {
  readonly maxInFlight: number;
  /**
   * Strict order: one event in flight at a time, and one that was put off holds back those behind it. Default: false,
   * and those behind it pass it.
   */
  readonly ordered?: boolean;
  /**
   * What holds for events that no host published, on a bus where others publish, too: they passed no ingress. Default:
   * the host's own bounds, and no rate.
   */
  readonly outside?: OutsideEvents;
  /** Must not throw, and must settle each delivery in the end. */
  readonly onDeliveries: (deliveries: readonly Delivery[]) => void;
}

export interface OutsideEvents {
  readonly bounds: JsonBounds;
  /** Asked before the first delivery of each. @returns 0, or in how many milliseconds one may come */
  readonly admit: () => number;
}

export interface Consumer {
  /**
   * Resolves when the settlement is durable. Settling frees a place in flight at once. Settling what is settled does
   * nothing. A settlement that is rejected was not stored: the delivery is in flight again, to be settled again.
   * @throws GtpackError `bus_unavailable`
   */
  settle(settlement: Settlement): Promise<void>;
  /** No further deliveries; what is in flight may still be settled. */
  stop(): Promise<void>;
}

export interface Delivery extends EventMessage {
  /** Position on the bus. */
  readonly sequence: number;
  /** 1 for the first; counts what was put off with `nak`, not what a dead process left. */
  readonly attempt: number;
  /** A run of this event may have a journal. */
  readonly redelivered: boolean;
}

export type Settlement =
  /** Every matching run is finished or parked. Results, runs, parking and the acknowledgement become durable together. */
  | {
      readonly kind: 'ack';
      readonly delivery: Delivery;
      readonly runs: readonly RunRecord[];
      readonly parking?: Parking;
    }
  /** Deliver again, not before `delayMs`. */
  | { readonly kind: 'nak'; readonly delivery: Delivery; readonly delayMs: number }
  /** Give up: the event goes to the dead letters with its reason (B5). */
  | {
      readonly kind: 'dead';
      readonly delivery: Delivery;
      readonly reason: string;
      readonly runs: readonly RunRecord[];
      /** Published in one step with the burial: both or neither. */
      readonly alert?: EventMessage;
    };

/** A finished run. */
export interface RunRecord {
  readonly runId: string;
  readonly flow: string;
  /** Of the flow that it went through. */
  readonly flowDigest: string;
  readonly status: 'ok' | 'error';
  readonly durationMs: number;
  /** The result message as JSON text, published on the event's `.result` subject. */
  readonly resultJson: string;
  /** Outcomes of the run's nodes and effects, in order, as JSON text. */
  readonly journalJson: string;
  /** Of a run that was parked: the event that it is of, where the delivery is of one that resumed it. */
  readonly event?: { readonly id: string; readonly type: EventType };
}

/** An outcome inside a run that is not finished yet. */
export interface JournalEntry {
  readonly runId: string;
  /** Counts from 0 within the run. Recording the same ordinal again replaces it. */
  readonly ordinal: number;
  /** JSON text. */
  readonly entry: string;
}

export type TapListener = (messages: readonly TappedMessage[]) => void;

export interface TappedMessage {
  readonly kind: 'event' | 'result' | 'dead_letter';
  readonly tenant: TenantId;
  readonly type: EventType;
  readonly json: string;
}
