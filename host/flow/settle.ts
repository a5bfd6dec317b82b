import type { Delivery, RunRecord } from '../bus/bus.ts';
import type { RunOutcome } from '../sandbox/protocol.ts';
import { pauseMs } from './retry.ts';

export type RunResult = RunOutcome;

/** A run that came to its end. */
type FinishedRun = RunOutcome & { readonly status: RunRecord['status'] };

/** Others leave no result. */
export function isFinished(run: RunOutcome): run is FinishedRun {
  return run.status === 'ok' || run.status === 'error';
}

const MAX_ATTEMPTS = 5;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 60_000;
/** From this step on the delay is as long as it gets. */
const LONGEST_STEP = 8;

/** The flow, or a provider that it called, is held back for a while. */
const HELD_BACK = 'plugin_quarantined';
/** Another event of the tenant took the cell along. */
const ENDED_FOR_ANOTHER = 'cell_ended';
/** The bus gave the delivery of the run's event to another host. */
const TAKEN = 'run_taken';
/** Not the event's doing: they never use up its attempts. */
const NOT_ITS_DOING: ReadonlySet<string> = new Set([
  'cell_busy',
  'tenant_rate_exceeded',
  HELD_BACK,
  'host_stopping',
  'bus_unavailable',
  'bus_disk_full',
  ENDED_FOR_ANOTHER,
]);

/** Whether a failure is of the host at present, and of no run. */
export function isNotItsDoing(code: string): boolean {
  return NOT_ITS_DOING.has(code);
}

/** A run that waits for an event and finds no room is parked as soon as that after there is some. */
const LONGEST_UNPARKED_MS = 30_000;

export type Decision =
  | { readonly kind: 'ack' }
  /**
   * Every run is finished or can be parked; where one cannot, the event is put off. Runs that failed are parked, too, and
   * tried again after `retryMs`.
   */
  | { readonly kind: 'park'; readonly delayMs: number; readonly retryMs: number }
  /** `spared`: this attempt is not held against the event. */
  | { readonly kind: 'nak'; readonly delayMs: number; readonly spared: boolean }
  | { readonly kind: 'dead'; readonly reason: string }
  /** Another host has the event now: nothing that is decided here counts. */
  | { readonly kind: 'taken' };

/**
 * What becomes of an event after its runs: nothing where another host has it by now; acknowledged when all went well, or
 * are parked until they go on;
 * delivered again where a run is to go on later, and while every failure may go away by itself and attempts are left, no
 * sooner than a vendor asked for; else a dead letter (promise B5).
 *
 * @param attempt 1 for the first
 * @param spared how many attempts before this one are not held against the event
 * @param random from 0 up to, not including, 1
 */
export function decide(
  attempt: number,
  spared: number,
  results: readonly RunOutcome[],
  random: () => number,
): Decision {
  if (results.some(({ error }) => error?.code === TAKEN)) return { kind: 'taken' };
  const waiting = results.flatMap(({ status, waitMs = 0 }) => (status === 'waiting' ? [waitMs] : []));
  // A run that goes on later is not given up for another one: the event comes again for it, and that one fails again.
  const failures = results.filter((result) => result.status === 'error');
  if (waiting.length > 0) {
    const isForEvent = results.some(({ parked }) => parked?.awaits !== undefined);
    // Only a parked run is found by the event that it waits for: a failure beside it goes its own way.
    const delayMs = Math.min(...waiting, ...(isForEvent ? [LONGEST_UNPARKED_MS] : []));
    const goesOn = results.filter(({ status }) => status === 'waiting' || status === 'error');
    const isParked = goesOn.every(({ parked }) => parked !== undefined);
    if (isParked && (failures.length === 0 || isForEvent)) {
      const pause = Math.max(0, ...failures.map(({ retryAfterMs }) => pauseMs(retryAfterMs)));
      return { kind: 'park', delayMs, retryMs: Math.max(backoffMs(attempt, random), pause) };
    }
    return { kind: 'nak', delayMs, spared: true };
  }
  const [first] = failures;
  if (first === undefined) return { kind: 'ack' };
  const final = failures.find((failure) => failure.error?.retryable !== true);
  if (final !== undefined) return { kind: 'dead', reason: reasonOf(final) };
  const counted = failures.find((failure) => !NOT_ITS_DOING.has(failure.error?.code ?? ''));
  // A restart forgets what was spared, but not what the journals say.
  const waits = results.reduce((sum, run) => sum + (run.waits ?? 0), 0);
  const own = Math.max(1, attempt - Math.max(spared, waits));
  if (counted !== undefined && own >= MAX_ATTEMPTS) {
    return { kind: 'dead', reason: `${reasonOf(counted)} (attempt ${own} of ${MAX_ATTEMPTS})` };
  }
  // A new cell is there at once; a host that is busy needs to be left alone for longer each time.
  const has = (code: string): boolean => failures.some((failure) => failure.error?.code === code);
  const step = has(HELD_BACK) ? LONGEST_STEP : has(ENDED_FOR_ANOTHER) ? own : attempt;
  const pause = Math.max(...failures.map(({ retryAfterMs }) => pauseMs(retryAfterMs)));
  return {
    kind: 'nak',
    delayMs: Math.max(backoffMs(step, random), pause),
    spared: counted === undefined,
  };
}

/** Exponential, with full jitter: of many events that failed together, few come back together. */
function backoffMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attempt - 1));
  return Math.floor(random() * ceiling);
}

function reasonOf({ flow, error }: RunOutcome): string {
  return `Flow ${flow}: ${error?.code ?? 'unknown'}: ${error?.message ?? 'no reason was given'}`;
}

/**
 * What the store keeps of a run, and the message on its result subject.
 * @param event what the run is of, where the delivery resumed it
 */
export function runRecord(
  delivery: Delivery,
  run: FinishedRun,
  flowDigest: string,
  event?: RunRecord['event'],
): RunRecord {
  const head = JSON.stringify({
    event_id: event?.id ?? delivery.id,
    run_id: run.runId,
    flow: run.flow,
    status: run.status,
  });
  const tail = JSON.stringify({
    ...(run.error === undefined ? {} : { error: run.error }),
    attempts: delivery.attempt,
    duration_ms: run.durationMs,
  });
  // The output is spliced in as the text it is: nothing here parses what a tenant made.
  const output = run.output === undefined ? '' : `,"output":${run.output}`;
  return {
    runId: run.runId,
    flow: run.flow,
    flowDigest,
    status: run.status,
    durationMs: run.durationMs,
    resultJson: `${head.slice(0, -1)}${output},${tail.slice(1)}`,
    journalJson: run.journalJson,
    ...(event === undefined ? {} : { event }),
  };
}
