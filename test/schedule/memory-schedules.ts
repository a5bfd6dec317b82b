import type { EventMessage } from '../../host/bus/bus.ts';
import type {
  ScheduleName,
  SchedulePosition,
  ScheduleStart,
  ScheduleStore,
  ScheduleTick,
  TickOutcome,
} from '../../host/bus/schedules.ts';
import { GtpackError } from '../../host/errors.ts';

interface Row {
  plan: string;
  at: number;
  lastRun: number | null;
  open: string | null;
}

const keyOf = ({ tenant, schedule }: ScheduleName): string => `${tenant} ${schedule}`;

/** Schedules in memory, which keep the word of their interface and outlive the schedulers of a test. */
export class MemorySchedules implements ScheduleStore {
  readonly events: (EventMessage & ScheduleName & { readonly at: number })[] = [];
  readonly passed: number[] = [];
  isAway = false;
  /** Ticks are worked off at once. */
  settlesAtOnce = true;
  /** What is stored from now on is never answered: the host died in between. */
  answersNothing = false;
  attempts = 0;
  readonly #rows = new Map<string, Row>();
  readonly #listeners = new Set<(schedule: ScheduleName) => void>();

  async begin(schedules: readonly ScheduleStart[], now: number): Promise<SchedulePosition[]> {
    return schedules.map((schedule) => {
      const known = this.#rows.get(keyOf(schedule));
      if (known !== undefined && known.plan === schedule.plan)
        return { at: known.at, lastRun: known.lastRun };
      this.#rows.set(keyOf(schedule), { plan: schedule.plan, at: now, lastRun: null, open: null });
      return { at: now, lastRun: null };
    });
  }

  async tick(tick: ScheduleTick, messages: readonly EventMessage[]): Promise<TickOutcome> {
    this.attempts += 1;
    if (this.isAway) throw new GtpackError('bus_unavailable', 'The bus is away.');
    const row = this.#rows.get(keyOf(tick));
    if (row === undefined) throw new Error('not begun');
    if (row.at >= tick.at) return { kind: 'past', position: { at: row.at, lastRun: row.lastRun } };
    const [first] = messages;
    if (first === undefined) {
      row.at = tick.at;
      this.passed.push(tick.at);
      return { kind: 'ticked', receipts: [] };
    }
    if (row.open !== null) return { kind: 'busy' };
    row.at = tick.at;
    row.lastRun = tick.at;
    row.open = this.settlesAtOnce ? null : first.id;
    for (const message of messages)
      this.events.push({ ...message, tenant: tick.tenant, schedule: tick.schedule, at: tick.at });
    if (this.settlesAtOnce) for (const listener of this.#listeners) listener(tick);
    if (this.answersNothing) await new Promise<never>(() => undefined);
    return { kind: 'ticked', receipts: messages.map(({ id }) => ({ id, duplicate: false })) };
  }

  /** The last tick of a schedule is worked off; whether that is heard of. */
  settle(schedule: ScheduleName, isHeard = true): void {
    const row = this.#rows.get(keyOf(schedule));
    if (row !== undefined) row.open = null;
    if (isHeard) for (const listener of this.#listeners) listener(schedule);
  }

  watch(listener: (schedule: ScheduleName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get watchers(): number {
    return this.#listeners.size;
  }
}
