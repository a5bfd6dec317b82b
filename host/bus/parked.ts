import { type EventType, parseEventType, type TenantId } from '../event/names.ts';
import type { Owner } from './owner.ts';
import type { Timer } from './timers.ts';

/**
 * Parked runs: what a run needs to go on lies in a timer of the host's own, stored in one step with the acknowledgement
 * of its event. The timer's event resumes the run; that it does, stands beside it, where the host alone writes.
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
}

export function parkedRuns(tenant: TenantId): Owner {
  return { tenant, source: PARKED_RUNS };
}

export function isParkedRuns({ source }: Owner): boolean {
  return source === PARKED_RUNS;
}

export function parkingTimer({ id, dueAt, state }: ParkedRun): Timer {
  return { id, dueAt, everyMs: null, type: RESUME_EVENT, payload: state, metadata: '{"hops":0}' };
}

/** What stands beside the event of a timer; nothing beside those of providers. */
export function timerSchedule(owner: Owner, { id }: Timer): { readonly schedule?: string } {
  return isParkedRuns(owner) ? { schedule: `${RESUME_SCHEDULE}${id}` } : {};
}

/** Whether an event resumes a run. */
export function isResumption(schedule: string | undefined): boolean {
  return schedule?.startsWith(RESUME_SCHEDULE) === true;
}
