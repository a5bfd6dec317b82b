import type { TenantId } from '../../event/names.ts';
import type { EventMessage, RunRecord, Settlement } from '../bus.ts';
import { type Parking, parkingTimer } from '../parked.ts';
import { memoryBytes } from './tenant-queue.ts';
import type { OperationOf } from './wire.ts';

/** Longest time that a delivery is put off: more than any backoff, and still an instant that a clock knows. */
const MAX_DELAY_MS = 365 * 24 * 60 * 60 * 1000;

interface Settling {
  readonly operation: OperationOf<'ack' | 'nak' | 'dead'>;
  readonly bytes: number;
}

/** The operation that stores a settlement. */
export function settlementOperation(tenant: TenantId, settlement: Settlement, now: number): Settling {
  const { sequence, id, type, attempt } = settlement.delivery;
  const event = { tenant, sequence, id, type, attempt };
  switch (settlement.kind) {
    case 'ack':
      return {
        operation: {
          ...{ kind: 'ack', event, runs: copied(settlement.runs) },
          parking: copiedParking(settlement.parking, now),
        },
        bytes: bytesOf(settlement.runs) + parkedBytes(settlement.parking),
      };
    case 'nak':
      return {
        operation: { kind: 'nak', event, availableAt: availableAfter(settlement.delayMs, now) },
        bytes: 0,
      };
    case 'dead': {
      const { reason, runs, alert } = settlement;
      const runsJson = runsText(runs);
      return {
        operation: {
          kind: 'dead',
          event,
          reason,
          runs: copied(runs),
          runsJson,
          alert: alert === undefined ? null : copiedEvent(alert),
        },
        bytes: bytesOf(runs) + memoryBytes(runsJson) + memoryBytes(alert?.json ?? ''),
      };
    }
  }
}

function availableAfter(delayMs: number, now: number): number {
  // 0 stands for a fresh event.
  return Math.max(Math.ceil(now + Math.min(Math.max(delayMs, 0), MAX_DELAY_MS)), 1);
}

function copiedParking(parking: Parking | undefined, now: number): OperationOf<'ack'>['parking'] {
  if (parking === undefined || parking.runs.length === 0) return null;
  const { runs, max, delayMs } = parking;
  return {
    runs: runs.map((run) => ({ runId: run.runId, timer: parkingTimer(run) })),
    max,
    availableAt: availableAfter(delayMs, now),
  };
}

function parkedBytes(parking: Parking | undefined): number {
  return parking?.runs.reduce((sum, { state }) => sum + memoryBytes(state), 0) ?? 0;
}

/** The dead letter as JSON text (B5). The texts inside are passed on as they are. */
export function deadLetterJson(settlement: Extract<Settlement, { kind: 'dead' }>): string {
  const { delivery, reason, runs } = settlement;
  return `{"event":${delivery.json},"reason":${JSON.stringify(reason)},"attempts":${delivery.attempt},"runs":${runsText(runs)}}`;
}

/** An event without what else a caller's object may hold. */
export function copiedEvent({ id, type, json, schedule }: EventMessage): EventMessage {
  return schedule === undefined ? { id, type, json } : { id, type, json, schedule };
}

/** Only what is to be stored: a caller's object may hold more, which must not cross to the thread. */
function copied(runs: readonly RunRecord[]): RunRecord[] {
  return runs.map(({ runId, flow, flowDigest, status, durationMs, resultJson, journalJson, event }) => ({
    runId,
    flow,
    flowDigest,
    status,
    durationMs,
    resultJson,
    journalJson,
    ...(event === undefined ? {} : { event: { id: event.id, type: event.type } }),
  }));
}

function runsText(runs: readonly RunRecord[]): string {
  const texts = runs.map(
    ({ runId, flow, status, journalJson }) =>
      `{"run_id":${JSON.stringify(runId)},"flow":${JSON.stringify(flow)},"status":"${status}","journal":${journalJson}}`,
  );
  return `[${texts.join(',')}]`;
}

function bytesOf(runs: readonly RunRecord[]): number {
  let bytes = 0;
  for (const { resultJson, journalJson } of runs) bytes += memoryBytes(resultJson) + memoryBytes(journalJson);
  return bytes;
}
