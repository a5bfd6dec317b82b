import { type EventType, parseEventType, type TenantId } from '../event/names.ts';
import type { Owner } from './owner.ts';
import type { Timer } from './timers.ts';
import type { Awaited } from './waits.ts';

/**
 * Parked runs: what a run needs to go on lies in a timer of the host's own, stored in one step with the acknowledgement
 * of its event. The timer's event resumes the run; that it does, stands beside it, where the host alone writes. What a run
 * waits for stands in what is known of that event ahead; an event that it is resumes the run before the timer is due.
 */

/** Whose timers they are. No provider has such a name. */
const PARKED_RUNS = 'host:runs';
export const RESUME_EVENT: EventType = parseEventType('host.resume');
const RESUME_SCHEDULE = 'resume:';

/** Runs of one event that go on later. */
export interface Parking {
  readonly runs: readonly ParkedRun[];
  /** How many of the tenant may be parked at a time. */
  readonly max: number;
  /** Where one of them finds no room the event is put off instead, by so much. */
  readonly delayMs: number;
}

export interface ParkedRun {
  /** Of this parking: the same on every delivery of the event that leads to it, and never given again. */
  readonly id: string;
  /** Milliseconds since the Unix epoch. */
  readonly dueAt: number;
  readonly runId: string;
  /** What it needs to go on, as JSON text. Never parsed here. */
  readonly state: string;
  /** An event that resumes it before it is due. */
  readonly awaits?: Awaited;
}

export function parkedRuns(tenant: TenantId): Owner {
  return { tenant, source: PARKED_RUNS };
}

export function isParkedRuns({ source }: Owner): boolean {
  return source === PARKED_RUNS;
}

export function parkingTimer({ id, dueAt, state, awaits }: ParkedRun): Timer {
  const metadata = JSON.stringify({ hops: 0, ...(awaits === undefined ? {} : { [AWAITS]: awaits }) });
  return { id, dueAt, everyMs: null, type: RESUME_EVENT, payload: state, metadata };
}

const AWAITS = 'awaits';

/** What the run of a timer waits for, by the timer's `metadata`; undefined for all others. */
export function awaitedOf(owner: Owner, metadata: string): Awaited | undefined {
  if (!isParkedRuns(owner) || !metadata.includes(`"${AWAITS}"`)) return undefined;
  // A host's own.
  return (JSON.parse(metadata) as { readonly [AWAITS]?: Awaited })[AWAITS];
}

/** What stands beside the event of a timer; nothing beside those of providers. */
export function timerSchedule(owner: Owner, { id }: Timer): { readonly schedule?: string } {
  return isParkedRuns(owner) ? { schedule: `${RESUME_SCHEDULE}${id}` } : {};
}

/** Whether an event resumes a run. */
export function isResumption(schedule: string | undefined): boolean {
  return schedule?.startsWith(RESUME_SCHEDULE) === true;
}
