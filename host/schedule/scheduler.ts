import type { ScheduleName, ScheduleStore } from '../bus/schedules.ts';
import type { TenantId } from '../event/names.ts';
import { type InstantPlan, PlanCompiler, planKey } from './calculator.ts';
import { type Clock, MAX_SLEEP_MS } from './clock.ts';
import { InstantHeap } from './instant-heap.ts';
import { Lines } from './lines.ts';
import { type Rest, type ScheduleEntry, Slot, type TickActions } from './slot.ts';

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly store: Pick<ScheduleStore, 'begin' | 'watch'>;
  readonly actions: TickActions;
}

export interface Upcoming {
  readonly entry: ScheduleEntry;
  /** Milliseconds since the Unix epoch, in order; empty for a schedule that never comes. */
  readonly instants: readonly number[];
}

/** Ticks that are being made events of at a time, in all and of one tenant. */
const MAX_AT_WORK = 256;
const MAX_AT_WORK_A_TENANT = 32;
/** A timer that comes later than this was on a machine that slept, or the clock was set. */
const MAX_LATE_MS = 60_000;
/** A schedule that waits for its last tick to be worked off asks again after so long: another host may have done it. */
const RECHECK_MS = 10_000;

/** Fires the ticks of all schedules of all tenants, from one heap and one timer (S3). */
export class Scheduler {
  readonly #clock: Clock;
  readonly #actions: TickActions;
  readonly #entries: readonly ScheduleEntry[];
  readonly #byTenant: ReadonlyMap<TenantId, readonly ScheduleEntry[]>;
  readonly #plans: PlanCompiler;
  readonly #heap = new InstantHeap<Slot>();
  readonly #ready = new Lines<Slot>(MAX_AT_WORK_A_TENANT);
  readonly #slots = new Map<string, Slot>();
  /** Those that wait for their last tick to be worked off, and when they ask again; the first one first. */
  readonly #blocked = new Map<Slot, number>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #unwatch: () => void;
  #armed: { readonly at: number; readonly cancel: () => void } | undefined;
  #stopped = false;

  private constructor(
    { clock, store, actions }: SchedulerOptions,
    entries: readonly ScheduleEntry[],
    plans: PlanCompiler,
  ) {
    this.#clock = clock;
    this.#actions = actions;
    this.#entries = entries;
    this.#byTenant = Map.groupBy(entries, ({ tenant }) => tenant);
    this.#plans = plans;
    this.#unwatch = store.watch((schedule) => this.#settled(schedule));
  }

  /**
   * Starts where the store has the schedules; what came due while no host ran is caught up with as each of them says.
   * @throws GtpackError `timer_plan_invalid`, `bus_unavailable`
   */
  static async start(options: SchedulerOptions, entries: readonly ScheduleEntry[]): Promise<Scheduler> {
    const plans = new PlanCompiler();
    const starts = entries.map((entry) => {
      plans.compile(entry.plan);
      return { tenant: entry.tenant, schedule: entry.schedule, plan: planKey(entry.plan) };
    });
    const now = options.clock.now();
    const positions = await options.store.begin(starts, now);
    const scheduler = new Scheduler(options, entries, plans);
    const slots: Slot[] = [];
    for (const [index, entry] of entries.entries()) {
      const position = positions[index] ?? { at: now, lastRun: null };
      const slot = new Slot(entry, plans.compile(entry.plan), position, now);
      scheduler.#slots.set(nameKey(entry), slot);
      const rest = slot.rest(now);
      if (rest.kind !== 'until') continue;
      slot.next = rest.instant;
      slots.push(slot);
    }
    scheduler.#heap.addAll(slots);
    scheduler.#arm();
    return scheduler;
  }

  /** The next `count` instants of each schedule, of one tenant or of all, in the order they were given. */
  upcoming(count: number, tenant?: TenantId): readonly Upcoming[] {
    const entries = tenant === undefined ? this.#entries : (this.#byTenant.get(tenant) ?? []);
    return upcomingOf(entries, this.#plans, this.#clock.now(), count);
  }

  /** Fires nothing more; resolves when what was fired before is stored, or given back (B7). */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unwatch();
    this.#armed?.cancel();
    this.#armed = undefined;
    await Promise.all(this.#underWay);
  }

  #arm(): void {
    if (this.#stopped) return;
    const next = Math.min(this.#heap.top?.next ?? Number.POSITIVE_INFINITY, this.#firstRecheck());
    if (next === Number.POSITIVE_INFINITY) return;
    const now = this.#clock.now();
    const at = now + Math.min(MAX_SLEEP_MS, Math.max(0, next - now));
    if (this.#armed !== undefined) {
      if (this.#armed.at <= at) return;
      this.#armed.cancel();
    }
    const cancel = this.#clock.setTimer(() => {
      this.#armed = undefined;
      this.#wake(at);
    }, at - now);
    this.#armed = { at, cancel };
  }

  #firstRecheck(): number {
    for (const at of this.#blocked.values()) return at;
    return Number.POSITIVE_INFINITY;
  }

  #wake(expectedAt: number): void {
    const now = this.#clock.now();
    if (now - expectedAt > MAX_LATE_MS) for (const slot of this.#slots.values()) slot.miss(now);
    for (let slot = this.#heap.top; slot !== undefined && slot.next <= now; slot = this.#heap.top) {
      this.#heap.dropTop();
      this.#enlist(slot);
    }
    for (const [slot, recheckAt] of this.#blocked) {
      if (recheckAt > now) break;
      slot.settled();
      this.#blocked.delete(slot);
      this.#enlist(slot);
    }
    this.#arm();
    this.#work();
  }

  #settled(schedule: ScheduleName): void {
    const slot = this.#slots.get(nameKey(schedule));
    if (slot === undefined) return;
    slot.settled();
    if (!this.#blocked.delete(slot)) return;
    this.#enlist(slot);
    this.#work();
  }

  #enlist(slot: Slot): void {
    this.#ready.add(slot.entry.tenant, slot);
  }

  #work(): void {
    while (!this.#stopped && this.#underWay.size < MAX_AT_WORK) {
      const slot = this.#ready.take();
      if (slot === undefined) return;
      const done = this.#turn(slot).finally(() => {
        this.#underWay.delete(done);
        this.#work();
      });
      this.#underWay.add(done);
    }
  }

  async #turn(slot: Slot): Promise<void> {
    const rest = await slot.turn(this.#actions, () => this.#clock.now());
    this.#ready.done(slot.entry.tenant);
    this.#place(slot, rest);
  }

  #place(slot: Slot, rest: Rest): void {
    const now = this.#clock.now();
    if (rest.kind === 'ended') return;
    if (rest.kind === 'blocked') this.#blocked.set(slot, now + RECHECK_MS);
    else if (rest.instant <= now) this.#enlist(slot);
    else {
      slot.next = rest.instant;
      this.#heap.add(slot);
    }
    this.#arm();
  }
}

/** The next `count` instants after `now` of each schedule. Schedules that share a plan share the list. */
export function upcomingOf(
  entries: readonly ScheduleEntry[],
  plans: PlanCompiler,
  now: number,
  count: number,
): readonly Upcoming[] {
  const known = new Map<InstantPlan, readonly number[]>();
  return entries.map((entry) => {
    const plan = plans.compile(entry.plan);
    let instants = known.get(plan);
    if (instants === undefined) {
      instants = firstInstants(plan, now, count);
      known.set(plan, instants);
    }
    return { entry, instants };
  });
}

function firstInstants(plan: InstantPlan, after: number, count: number): readonly number[] {
  const instants: number[] = [];
  let instant = plan.next(after);
  while (instant !== null && instants.length < count) {
    instants.push(instant);
    instant = plan.next(instant);
  }
  return instants;
}

/** A tenant holds no line feed. */
function nameKey({ tenant, schedule }: ScheduleName): string {
  return `${tenant}\n${schedule}`;
}
