import type { TenantId } from '../../event/names.ts';
import type { EventMessage, Receipt } from '../bus.ts';
import type { Scheduler } from '../embedded/scheduler.ts';
import type {
  ScheduleName,
  SchedulePosition,
  ScheduleStart,
  ScheduleStore,
  ScheduleTick,
  TickOutcome,
} from '../schedules.ts';
import type { KeptStream } from './kept-stream.ts';

/** Past this a clock was wrong. */
const DAY_MS = 24 * 60 * 60 * 1000;
/** Schedules that are asked for at a time. */
const MAX_AT_ONCE = 256;

interface Parts {
  readonly stream: KeptStream;
  readonly scheduler: Pick<Scheduler, 'now'>;
  /** B4: so long an id is known. */
  readonly dedupeWindowMs: number;
  /** Stores events. @throws GtpackError `bus_unavailable`, `event_invalid` */
  readonly publish: (tenant: TenantId, messages: readonly EventMessage[]) => Promise<readonly Receipt[]>;
  /** Whether an event was acknowledged or given up; false for one that nobody has taken. */
  readonly isEnded: (tenant: TenantId, id: string) => Promise<boolean>;
  /** Hears of each event that this host ends. @returns the function that stops it */
  readonly watchEnds: (listener: (tenant: TenantId, event: EventMessage) => void) => () => void;
}

/** A schedule as it lies on the stream. */
interface Kept extends SchedulePosition {
  readonly plan: string;
  /** The event of the last tick, and when it was published, by the clock of the host that did. */
  readonly tick?: { readonly id: string; readonly publishedAt: number };
}

interface Found {
  readonly sequence: number;
  readonly kept: Kept;
}

/**
 * Where the schedules are, on NATS: a message for each. A tick's events are published before the schedule moves on, under
 * ids that repeat: a host that dies in between, and hosts that tick at once, publish them again, and they are there once.
 */
export class KeptSchedules implements ScheduleStore {
  readonly #parts: Parts;
  /** Of the schedules that this host keeps, by subject: one that another host forgets meanwhile goes on with it. */
  #plans: ReadonlyMap<string, string> = new Map();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async begin(schedules: readonly ScheduleStart[], now: number): Promise<readonly SchedulePosition[]> {
    const { stream } = this.#parts;
    this.#plans = new Map(schedules.map((schedule) => [stream.schedule(schedule), schedule.plan]));
    await this.#forgetOthers();
    const positions: SchedulePosition[] = [];
    for (let at = 0; at < schedules.length; at += MAX_AT_ONCE) {
      const some = schedules.slice(at, at + MAX_AT_ONCE).map((schedule) => this.#begin(schedule, now));
      positions.push(...(await Promise.all(some)));
    }
    return positions;
  }

  async tick(tick: ScheduleTick, messages: readonly EventMessage[]): Promise<TickOutcome> {
    const { tenant, at } = tick;
    const found = (await this.#find(tick)) ?? this.#anew(tick);
    const past = pastOf(found, at);
    if (past !== null) return past;
    const [first] = messages;
    if (first === undefined) {
      const moved = await this.#move(tick, found, { ...found.kept, at });
      return moved ?? { kind: 'ticked', receipts: [] };
    }
    if (await this.#isBusy(tenant, found.kept)) return { kind: 'busy' };
    const receipts = await this.#parts.publish(tenant, messages);
    const { plan } = found.kept;
    const publishedAt = this.#parts.scheduler.now();
    const moved = await this.#move(tick, found, {
      plan,
      at,
      lastRun: at,
      tick: { id: first.id, publishedAt },
    });
    return moved ?? { kind: 'ticked', receipts };
  }

  watch(listener: (schedule: ScheduleName) => void): () => void {
    return this.#parts.watchEnds((tenant, { schedule }) => {
      if (schedule !== undefined) listener({ tenant, schedule });
    });
  }

  async #begin(start: ScheduleStart, now: number): Promise<SchedulePosition> {
    for (;;) {
      const found = await this.#find(start);
      if (found !== null && found.kept.plan === start.plan && found.kept.at <= now + DAY_MS)
        return positionOf(found.kept);
      const kept: Kept = { plan: start.plan, at: Math.floor(now), lastRun: null };
      if (await this.#write(start, found?.sequence ?? 0, kept)) return positionOf(kept);
    }
  }

  /** What one that moves on just now leaves is another's, and stays. */
  async #forgetOthers(): Promise<void> {
    const { stream } = this.#parts;
    const left = (await stream.subjects(stream.allSchedules)).filter((subject) => !this.#plans.has(subject));
    for (let at = 0; at < left.length; at += MAX_AT_ONCE) {
      const some = left.slice(at, at + MAX_AT_ONCE).map(async (subject) => {
        const message = await stream.last(subject);
        if (message !== null) await stream.apply({ subject, base: message.sequence, body: null });
      });
      await Promise.all(some);
    }
  }

  /** A host whose bundle does not name it was started, and forgot it. */
  #anew(tick: ScheduleTick): Found {
    const plan = this.#plans.get(this.#parts.stream.schedule(tick));
    if (plan === undefined) throw new Error(`the schedule ${tick.schedule} was not begun`);
    return { sequence: 0, kept: { plan, at: Number.NEGATIVE_INFINITY, lastRun: null } };
  }

  async #isBusy(tenant: TenantId, { tick }: Kept): Promise<boolean> {
    if (tick === undefined) return false;
    // What is known of ids is forgotten after the window; an event that is older keeps nothing waiting.
    if (this.#parts.scheduler.now() - tick.publishedAt >= this.#parts.dedupeWindowMs) return false;
    return !(await this.#parts.isEnded(tenant, tick.id));
  }

  /** @returns null once it is there, or where another host was further by then */
  async #move(tick: ScheduleTick, from: Found, kept: Kept): Promise<TickOutcome | null> {
    for (let sequence = from.sequence; ; ) {
      if (await this.#write(tick, sequence, kept)) return null;
      const found = await this.#find(tick);
      if (found === null) sequence = 0;
      else {
        const past = pastOf(found, tick.at);
        if (past !== null) return past;
        sequence = found.sequence;
      }
    }
  }

  async #find(name: ScheduleName): Promise<Found | null> {
    const message = await this.#parts.stream.last(this.#parts.stream.schedule(name));
    if (message === null) return null;
    return { sequence: message.sequence, kept: JSON.parse(message.text) as Kept };
  }

  async #write(name: ScheduleName, base: number, kept: Kept): Promise<boolean> {
    const { stream } = this.#parts;
    const change = { subject: stream.schedule(name), base, body: JSON.stringify(kept) };
    return (await stream.apply(change)) !== undefined;
  }
}

function pastOf({ kept }: Found, at: number): TickOutcome | null {
  return kept.at >= at ? { kind: 'past', position: positionOf(kept) } : null;
}

function positionOf({ at, lastRun }: Kept): SchedulePosition {
  return { at, lastRun };
}
