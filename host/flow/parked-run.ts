import type { Delivery, JournalEntry } from '../bus/bus.ts';
import { isResumption, type ParkedRun } from '../bus/parked.ts';
import type { EventType } from '../event/names.ts';
import type { RunOutcome } from '../sandbox/protocol.ts';
import type { FlowVersion } from './flow-versions.ts';

/** Longer ones wait with their events, which are put off: many are read at a time when they are due. */
const MAX_STATE_CHARACTERS = 256 * 1024;

/** What a parked run goes on with, as it lies in the event that resumes it. */
interface RunState {
  readonly run_id: string;
  /** The flow that it began with, and those that it waits for. */
  readonly flows: readonly FlowVersion[];
  readonly trigger: number;
  readonly event_id: string;
  readonly event_type: EventType;
  /** The event that it is of, as JSON text. */
  readonly event: string;
  /** How often it was put off or parked. */
  readonly waits: number;
  /** Entries of its journal and their places. */
  readonly journal: readonly (readonly [ordinal: number, entry: string])[];
}

/** A run that an event resumes. */
export interface ResumedRun {
  readonly runId: string;
  readonly flow: { readonly name: string; readonly digest: string };
  readonly flows: readonly FlowVersion[];
  readonly trigger: number;
  readonly waits: number;
  readonly event: { readonly id: string; readonly type: EventType; readonly json: string };
  readonly journal: readonly JournalEntry[];
}

/**
 * @param flows that it goes on through, its own first
 * @param event what the run is of: the delivery itself, unless that one resumed it
 * @returns null for one that cannot be parked
 */
export function parkedRun(
  delivery: Delivery,
  trigger: number,
  outcome: RunOutcome,
  flows: readonly FlowVersion[],
  event: Pick<Delivery, 'id' | 'type' | 'json'>,
): ParkedRun | null {
  const { runId, parked } = outcome;
  if (parked === undefined) return null;
  const state: RunState = {
    run_id: runId,
    flows,
    trigger,
    event_id: event.id,
    event_type: event.type,
    event: event.json,
    waits: parked.waits,
    journal: parked.journal.map(({ ordinal, entry }) => [ordinal, entry]),
  };
  const text = JSON.stringify(state);
  if (text.length > MAX_STATE_CHARACTERS) return null;
  return { id: `${runId}.${delivery.sequence}`, dueAt: Math.ceil(parked.due), runId, state: text };
}

/** @returns undefined for an event that resumes nothing */
export function resumedRun({ schedule, json }: Pick<Delivery, 'schedule' | 'json'>): ResumedRun | undefined {
  if (!isResumption(schedule)) return undefined;
  // A host's own, and flat: what tenants made of it are texts.
  const { payload } = JSON.parse(json) as { readonly payload: RunState };
  const { run_id: runId, flows, trigger, waits, event_id: id, event_type: type, event, journal } = payload;
  const [[name, digest] = ['', '']] = flows;
  return {
    ...{ runId, flow: { name, digest }, flows, trigger, waits },
    event: { id, type, json: event },
    journal: journal.map(([ordinal, entry]) => ({ runId, ordinal, entry })),
  };
}
