import type { TenantId } from '../../event/names.ts';
import type { Delivery, EventMessage, Receipt } from '../bus.ts';
import type {
  ScheduleName,
  SchedulePosition,
  ScheduleStart,
  ScheduleStore,
  ScheduleTick,
  TickOutcome,
} from '../schedules.ts';
import { request } from './request.ts';
import type { StoreConnection } from './store-connection.ts';
import { memoryBytes } from './tenant-queue.ts';

/** What a bus does for its schedules with events. */
export interface TickedEvents {
  /** Copies of what is to be stored. @throws GtpackError `event_invalid` */
  copied(messages: readonly EventMessage[]): EventMessage[];
  /** Hears of what was stored, in the turn of the commit. */
  stored(tenant: TenantId, messages: readonly EventMessage[], sequences: readonly number[]): Receipt[];
}

/** The main side of `schedules`. */
export class StoredSchedules implements ScheduleStore {
  readonly #store: StoreConnection;
  readonly #events: TickedEvents;
  readonly #listeners = new Set<(schedule: ScheduleName) => void>();

  constructor(store: StoreConnection, events: TickedEvents) {
    this.#store = store;
    this.#events = events;
  }

  begin(schedules: readonly ScheduleStart[], now: number): Promise<readonly SchedulePosition[]> {
    const copies = schedules.map(({ tenant, schedule, plan }) => ({ tenant, schedule, plan }));
    return request<'schedules_begin'>(
      this.#store,
      { kind: 'schedules_begin', schedules: copies, at: Math.floor(now) },
      0,
    );
  }

  async tick(
    { tenant, schedule, at }: ScheduleTick,
    messages: readonly EventMessage[],
  ): Promise<TickOutcome> {
    const copies = this.#events.copied(messages);
    let receipts: readonly Receipt[] = [];
    const result = await request<'schedule_tick'>(
      this.#store,
      { kind: 'schedule_tick', tenant, schedule, at, messages: copies },
      copies.reduce((bytes, { json }) => bytes + memoryBytes(json), 0),
      (answer) => {
        if (answer.kind === 'ticked') receipts = this.#events.stored(tenant, copies, answer.sequences);
      },
    );
    return result.kind === 'ticked' ? { kind: 'ticked', receipts } : result;
  }

  watch(listener: (schedule: ScheduleName) => void): () => void {
    const heard = (schedule: ScheduleName): void => listener(schedule);
    this.#listeners.add(heard);
    return () => {
      this.#listeners.delete(heard);
    };
  }

  /** A delivery is acknowledged or buried. */
  settled(tenant: TenantId, { schedule }: Delivery): void {
    if (schedule !== undefined) for (const listener of this.#listeners) listener({ tenant, schedule });
  }
}
