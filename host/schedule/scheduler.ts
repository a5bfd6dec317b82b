import type { TenantId } from '../event/names.ts';
import type { TimerPlan } from '../flow/flow.ts';
import type { Tick } from '../sandbox/protocol.ts';
import { compilePlan, type InstantPlan } from './calculator.ts';
import { type Clock, MAX_SLEEP_MS } from './clock.ts';
import { InstantHeap } from './instant-heap.ts';
import { tickId } from './tick-id.ts';

/** One schedule of a tenant. */
export interface ScheduleEntry {
  readonly tenant: TenantId;
  /** Unique in the tenant: `flow:<name>/<trigger index>`. */
  readonly schedule: string;
  /** The flow's name. */
  readonly name: string;
  readonly plan: TimerPlan;
}

/** An instant that has come. */
export interface DueTick {
  readonly entry: ScheduleEntry;
  readonly tick: Tick;
}

export interface Upcoming {
  readonly entry: ScheduleEntry;
  /** Milliseconds since the Unix epoch, in order; empty for a schedule that never comes. */
  readonly instants: readonly number[];
}

export interface SchedulerOptions {
  readonly clock: Clock;
  /** Hears of up to 1,000 ticks at a time. Must not throw. */
  readonly onDue: (ticks: readonly DueTick[]) => void;
}

interface Slot {
  readonly entry: ScheduleEntry;
  readonly plan: InstantPlan;
  next: number;
  lastRun: number | null;
}

const MAX_BATCH = 1000;

/** Fires the ticks of all schedules of all tenants, from one heap and one timer (S3). */
export class Scheduler {
  readonly #clock: Clock;
  readonly #onDue: SchedulerOptions['onDue'];
  readonly #heap = new InstantHeap<Slot>();
  readonly #entries: ScheduleEntry[] = [];
  /** Most schedules share a few plans. */
  readonly #plans = new Map<string, InstantPlan>();
  #cancelTimer: (() => void) | undefined;
  #stopped = false;

  constructor({ clock, onDue }: SchedulerOptions) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /**
   * Adds schedules; their first instants are those after now. All of them are added, or none.
   * @throws GtpackError `timer_plan_invalid`
   */
  add(entries: readonly ScheduleEntry[]): void {
    const now = this.#clock.now();
    const slots: Slot[] = [];
    for (const entry of entries) {
      const plan = this.#plan(entry.plan);
      const next = plan.next(now);
      if (next !== null) slots.push({ entry, plan, next, lastRun: null });
    }
    for (const entry of entries) this.#entries.push(entry);
    this.#heap.addAll(slots);
    this.#arm();
  }

  /** The next `count` instants of each schedule, in the order they were added. */
  upcoming(count: number): readonly Upcoming[] {
    const now = this.#clock.now();
    return this.#entries.map((entry) => {
      const plan = this.#plan(entry.plan);
      const instants: number[] = [];
      let instant = plan.next(now);
      while (instant !== null && instants.length < count) {
        instants.push(instant);
        instant = plan.next(instant);
      }
      return { entry, instants };
    });
  }

  /** Fires nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
  }

  #plan(plan: TimerPlan): InstantPlan {
    const key = plan.kind === 'cron' ? `${plan.timezone} ${plan.cron}` : `every ${plan.everyMs}`;
    let compiled = this.#plans.get(key);
    if (compiled === undefined) {
      compiled = compilePlan(plan);
      this.#plans.set(key, compiled);
    }
    return compiled;
  }

  #arm(): void {
    this.#cancelTimer?.();
    const { top } = this.#heap;
    if (this.#stopped || top === undefined) return;
    const delayMs = Math.min(MAX_SLEEP_MS, Math.max(0, top.next - this.#clock.now()));
    this.#cancelTimer = this.#clock.setTimer(() => this.#fire(), delayMs);
  }

  #fire(): void {
    const now = this.#clock.now();
    let batch: DueTick[] = [];
    for (let slot = this.#heap.top; slot !== undefined && slot.next <= now; slot = this.#heap.top) {
      batch.push(this.#advance(slot, now));
      if (batch.length === MAX_BATCH) {
        this.#onDue(batch);
        batch = [];
      }
    }
    if (batch.length > 0) this.#onDue(batch);
    this.#arm();
  }

  /** Makes the tick of the slot on top, and moves the slot on. */
  #advance(slot: Slot, now: number): DueTick {
    const { entry, plan, lastRun } = slot;
    const { latest, passedOver, next } = plan.due(slot.next, now);
    slot.lastRun = latest;
    if (next === null) {
      this.#heap.dropTop();
    } else {
      slot.next = next;
      this.#heap.sinkTop();
    }
    return {
      entry,
      tick: {
        id: tickId(entry.tenant, entry.schedule, latest),
        schedule: entry.schedule,
        name: entry.name,
        scheduledAt: latest,
        firedAt: now,
        lastRun,
        missed: passedOver,
      },
    };
  }
}
