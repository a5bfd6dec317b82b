import type { TenantId } from '../event/names.ts';
import type { EventMessage, Receipt } from './bus.ts';

/**
 * Where the schedules are that hosts keep: the last instant that each was ticked for, so that no instant is ticked for
 * twice and none is forgotten, over restarts and among hosts. Instants are milliseconds since the Unix epoch.
 */
export interface ScheduleStore {
  /**
   * Where each schedule is, in the order given. One that was not known, or had another plan, or lies more than a day
   * ahead of `now` by a clock that was wrong, begins now: nothing of it was missed. Those that are not named are
   * forgotten; where another host names them still, they go on there.
   * @throws GtpackError `bus_unavailable`
   */
  begin(schedules: readonly ScheduleStart[], now: number): Promise<readonly SchedulePosition[]>;

  /**
   * Publishes the events of an instant and moves the schedule on to it: both or neither, and once for an instant
   * whatever the number of hosts (B6). Without events the instant is passed over.
   * @throws GtpackError `bus_unavailable`, `event_invalid`
   */
  tick(tick: ScheduleTick, messages: readonly EventMessage[]): Promise<TickOutcome>;

  /**
   * Hears of each schedule whose last tick has been worked off, or given up. What another host works off may be heard
   * of late or never. @returns the function that stops it
   */
  watch(listener: (schedule: ScheduleName) => void): () => void;
}

export interface ScheduleName {
  readonly tenant: TenantId;
  /** Unique in the tenant. */
  readonly schedule: string;
}

export interface ScheduleStart extends ScheduleName {
  /** Another text for other instants. */
  readonly plan: string;
}

export interface SchedulePosition {
  /** The last instant that was ticked for or passed over; the begin where there is none. */
  readonly at: number;
  /** The last instant that became events; null where there is none. */
  readonly lastRun: number | null;
}

export interface ScheduleTick extends ScheduleName {
  readonly at: number;
}

export type TickOutcome =
  /** The first event is the tick; its receipt is the first. */
  | { readonly kind: 'ticked'; readonly receipts: readonly Receipt[] }
  /** The schedule is there or further already. */
  | { readonly kind: 'past'; readonly position: SchedulePosition }
  /** Nothing happened: its last tick is not worked off. */
  | { readonly kind: 'busy' };
