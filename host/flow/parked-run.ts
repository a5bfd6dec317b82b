import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Delivery, JournalEntry } from '../bus/bus.ts';
import { isResumption, type ParkedRun } from '../bus/parked.ts';
import type { Awaited } from '../bus/waits.ts';
import type { EventType } from '../event/names.ts';
import type { ArrivedEvent, AwaitsEvent, RunOutcome } from '../sandbox/protocol.ts';
import { MAX_PARKED_CHARACTERS } from './flow.ts';
import { patternFault } from './flow-file.ts';
import type { FlowVersion } from './flow-versions.ts';

/** Of a path in an event that a run waits for. */
const MAX_PATH_CHARACTERS = 1024;
/** Of the event that resumes a run: servers take 1 MiB by default, its own fields included. */
const MAX_RESUMING_BYTES = 960 * 1024;

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
  /** Of the entry of its wait for an event. */
  readonly awaits?: number;
  /** The event that it waited for, as JSON text; null for one that is too large to go on with. */
  readonly arrived?: string | null;
}

/** A run that is parked. */
export interface ParkedState {
  readonly runId: string;
  readonly flow: { readonly name: string; readonly digest: string };
  readonly flows: readonly FlowVersion[];
  readonly trigger: number;
  readonly waits: number;
  readonly event: { readonly id: string; readonly type: EventType; readonly json: string };
  readonly journal: readonly JournalEntry[];
  readonly awaits?: number;
}

/** A run that an event resumes. */
export interface ResumedRun extends ParkedState {
  readonly arrived?: ArrivedEvent;
}

/**
 * @param flows that it goes on through, its own first
 * @param event what the run is of: the delivery itself, unless that one resumed it
 * @param notBefore of a run that failed and is tried again; milliseconds since the Unix epoch
 * @returns null for one that cannot be parked
 */
export function parkedRun(
  delivery: Delivery,
  trigger: number,
  outcome: RunOutcome,
  flows: readonly FlowVersion[],
  event: Pick<Delivery, 'id' | 'type' | 'json'>,
  notBefore: number,
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
    ...(parked.awaits === undefined ? {} : { awaits: parked.awaits.ordinal }),
  };
  const text = JSON.stringify(state);
  // Longer ones wait with their events, which are put off: many are read at a time when they are due.
  if (text.length > MAX_PARKED_CHARACTERS) return null;
  const awaits = parked.awaits && awaitedBy(parked.awaits, delivery.sequence);
  const dueAt = Math.ceil(Math.max(parked.due, notBefore));
  const id = `${runId}.${delivery.sequence}`;
  return { id, dueAt, runId, state: text, ...(awaits === undefined ? {} : { awaits }) };
}

/** What the cell says of it is a tenant's: it may be nonsense, and is bounded. */
function awaitedBy({ pattern, key }: AwaitsEvent, after: number): Awaited | undefined {
  if (patternFault(pattern) !== undefined) return undefined;
  const isBounded = key !== undefined && JSON.stringify(key.path).length <= MAX_PATH_CHARACTERS;
  return { pattern, after, ...(isBounded ? { key: { path: key.path, value: keyOf(key.value) } } : {}) };
}

/** What is compared with what a run waits for: of one length, however long the value is. */
export function keyOf(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, 22);
}

/** The payload of the event that resumes a run with the event that it waited for. */
export function arrivedPayload(payload: string, event: string): string {
  const arrived = JSON.stringify(event);
  const isTooLarge = Buffer.byteLength(payload) + Buffer.byteLength(arrived) > MAX_RESUMING_BYTES;
  return `{"arrived":${isTooLarge ? 'null' : arrived},${payload.slice(1)}`;
}

/** @returns undefined for an event that resumes nothing */
export function resumedRun({ schedule, json }: Pick<Delivery, 'schedule' | 'json'>): ResumedRun | undefined {
  if (!isResumption(schedule)) return undefined;
  const { payload } = JSON.parse(json) as { readonly payload: RunState };
  const state = stateOf(payload);
  const { awaits: ordinal } = state;
  const { arrived: event } = payload;
  if (ordinal === undefined || event === undefined) return state;
  return { ...state, arrived: { ordinal, event } };
}

/** @param payload of a parking's timer */
export function parkedState(payload: string): ParkedState {
  return stateOf(JSON.parse(payload) as RunState);
}

/** A host's own, and flat: what tenants made of it are texts. */
function stateOf(state: RunState): ParkedState {
  const { run_id: runId, flows, trigger, waits, event_id: id, event_type: type, event, journal } = state;
  const [[name, digest] = ['', '']] = flows;
  return {
    ...{ runId, flow: { name, digest }, flows, trigger, waits },
    event: { id, type, json: event },
    journal: journal.map(([ordinal, entry]) => ({ runId, ordinal, entry })),
    ...(state.awaits === undefined ? {} : { awaits: state.awaits }),
  };
}
