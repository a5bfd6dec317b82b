import type { SchedulePosition, TickOutcome } from '../bus/schedules.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Tick } from '../sandbox/protocol.ts';
import type { Schedule } from '../written/schedule.ts';
import { isOverfull, type Move, nextMove, type Standing, type Timetable } from './backlog.ts';
import { countInstants, type InstantPlan } from './calculator.ts';
import type { Dated } from './instant-heap.ts';
import { delayIn } from './jitter.ts';
import { tickId } from './tick-id.ts';

/** One schedule of a tenant. */
export interface ScheduleEntry extends Schedule {
  readonly tenant: TenantId;
  /** Unique in the tenant: `flow:<name>/<trigger index>` or `provider:<id>/<name>`. */
  readonly schedule: string;
  /** The flow's name, or the schedule's own. */
  readonly name: string;
  /** The timer provider that turns its ticks into events. */
  readonly provider: string;
}

/** An instant that has come. */
export interface DueTick {
  readonly entry: ScheduleEntry;
  readonly tick: Tick;
}

/** What is done with ticks. */
export interface TickActions {
  /**
   * Makes events of a tick and stores them; resolves when they are durable.
   * @throws GtpackError; a retryable one says that it may go well another time
   */
  fire(due: DueTick): Promise<TickOutcome>;
  /** Passes an instant over. @throws GtpackError `bus_unavailable` */
  pass(entry: ScheduleEntry, instant: number): Promise<void>;
  /** A tick was passed over, since the one before is not worked off (`overlap: skip`). */
  onSkipped(due: DueTick): void;
  /** A tick became no event and never will. */
  onLost(due: DueTick, reason: string): void;
  /** A tick became no event yet; told of its first attempt. */
  onDelayed(due: DueTick, reason: string): void;
}

/** Where a schedule goes after its turn. */
export type Rest =
  | { readonly kind: 'until'; readonly instant: number }
  /** Until its last tick is worked off. */
  | { readonly kind: 'blocked' }
  /** It never comes again. */
  | { readonly kind: 'ended' };

/** Instants of a schedule that may wait for the bus or for the tick before them; of more than those `catch_up` decides. */
const MAX_WAITING = 100;
/** Instants that are counted for `missed`: a second-by-second plan after a night must not stop the host. */
const MAX_COUNTED = 1000;
/** Of a provider that says that it may go well another time: over about two minutes. */
const MAX_ATTEMPTS = 10;
/** Not the tick's doing, and waited for without end. */
const NOT_ITS_DOING: ReadonlySet<string> = new Set([
  'bus_unavailable',
  'bus_disk_full',
  'host_stopping',
  'plugin_quarantined',
  'cell_ended',
  'cell_busy',
]);
const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 30_000;

/** Where one schedule is. */
export class Slot implements Dated {
  readonly entry: ScheduleEntry;
  next = 0;
  readonly #timetable: Timetable;
  #at: number;
  #lastRun: number | null;
  /** From here on `missed` is counted where nothing has run yet. */
  readonly #since: number;
  #missedUntil: number;
  /** Its last tick is not worked off, as far as known. */
  #isBusy = false;
  #attempts = 0;
  /** Heard of since the attempt began. */
  #wasSettled = false;

  /** @param missedUntil what was due up to here was missed */
  constructor(
    entry: ScheduleEntry,
    plan: InstantPlan,
    { at, lastRun }: SchedulePosition,
    missedUntil: number,
  ) {
    const { tenant, schedule, jitterMs } = entry;
    this.entry = entry;
    this.#timetable = {
      plan,
      catchUp: entry.catchUp,
      catchUpWindowMs: entry.catchUpWindowMs,
      delayOf: (instant) =>
        jitterMs === 0 ? 0 : delayIn(jitterMs, plan, instant, tickId(tenant, schedule, instant)),
    };
    this.#at = at;
    this.#since = at;
    this.#lastRun = lastRun;
    this.#missedUntil = missedUntil;
  }

  rest(now: number): Rest {
    return restOf(nextMove(this.#timetable, this.#standing, now), now);
  }

  /** What is due up to an instant was missed. */
  miss(upTo: number): void {
    this.#missedUntil = Math.max(this.#missedUntil, upTo);
  }

  /** Its last tick is worked off, or may be. */
  settled(): void {
    this.#isBusy = false;
    this.#wasSettled = true;
  }

  /** Ticks for one instant at most. */
  async turn(actions: TickActions, now: () => number): Promise<Rest> {
    const begun = now();
    const move = nextMove(this.#timetable, this.#standing, begun);
    if (move.kind !== 'tick') return restOf(move, begun);
    if (this.#isBusy && this.entry.overlap === 'queue') return this.#blocked(begun);
    const due = this.#dueTick(move.instant, begun);
    this.#wasSettled = false;
    try {
      const outcome = await actions.fire(due);
      this.#attempts = 0;
      if (outcome.kind === 'busy') {
        if (this.entry.overlap === 'queue') {
          this.#isBusy = !this.#wasSettled;
          return this.#blocked(now());
        }
        await actions.pass(this.entry, move.instant);
        this.#at = move.instant;
        actions.onSkipped(due);
      } else this.#take(outcome, move.instant);
    } catch (error) {
      return await this.#failed(due, error, actions, now);
    }
    return this.rest(now());
  }

  get #standing(): Standing {
    return { at: this.#at, missedUntil: this.#missedUntil };
  }

  #take(outcome: Exclude<TickOutcome, { kind: 'busy' }>, instant: number): void {
    if (outcome.kind === 'past') {
      this.#at = Math.max(instant, outcome.position.at);
      this.#lastRun = outcome.position.lastRun;
      return;
    }
    this.#at = instant;
    const [tick] = outcome.receipts;
    if (tick === undefined) return;
    this.#lastRun = instant;
    this.#isBusy = !tick.duplicate && !this.#wasSettled;
  }

  #dueTick(instant: number, now: number): DueTick {
    const { tenant, schedule, name } = this.entry;
    const lastRun = this.#lastRun;
    return {
      entry: this.entry,
      tick: {
        id: tickId(tenant, schedule, instant),
        schedule,
        name,
        scheduledAt: instant,
        firedAt: now,
        lastRun,
        missed: countInstants(this.#timetable.plan, lastRun ?? this.#since, instant - 1, MAX_COUNTED),
      },
    };
  }

  #blocked(now: number): Rest {
    this.#makeRoom(now);
    return this.#isBusy ? { kind: 'blocked' } : this.rest(now);
  }

  #makeRoom(now: number): void {
    if (isOverfull(this.#timetable, this.#standing, now, MAX_WAITING)) this.miss(now);
  }

  async #failed(due: DueTick, error: unknown, actions: TickActions, now: () => number): Promise<Rest> {
    const reason = errorMessage(error);
    this.#attempts += 1;
    if (isLost(error, this.#attempts)) {
      try {
        await actions.pass(this.entry, due.tick.scheduledAt);
        this.#at = due.tick.scheduledAt;
        this.#attempts = 0;
        actions.onLost(due, reason);
        return this.rest(now());
      } catch {
        // The bus is away now; what becomes of the tick is decided when it is back.
      }
    }
    if (this.#attempts === 1) actions.onDelayed(due, reason);
    this.#makeRoom(now());
    const delayMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(20, this.#attempts - 1));
    return { kind: 'until', instant: now() + delayMs };
  }
}

function isLost(error: unknown, attempts: number): boolean {
  if (!(error instanceof GtpackError) || !error.retryable) return true;
  return !NOT_ITS_DOING.has(error.code) && attempts >= MAX_ATTEMPTS;
}

function restOf(move: Move, now: number): Rest {
  switch (move.kind) {
    case 'tick':
      return { kind: 'until', instant: now };
    case 'wait':
      return { kind: 'until', instant: move.until };
    case 'end':
      return { kind: 'ended' };
  }
}
