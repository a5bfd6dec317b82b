import { hash } from 'node:crypto';

/**
 * Names one step of a run, the same on every delivery: the id of an event that it publishes, which makes a repeat a
 * duplicate (promise B4), and the `Idempotency-Key` of a request that it sends. 32 hex digits.
 * @param frame empty for the run's own
 * @param place of the step in its frame, from 0
 */
export function stepKey(runId: string, frame: string, node: string, place: number): string {
  // Neither of them holds a line feed, and the run's own frame is left out, so no two steps make one text.
  const parts = frame === '' ? [runId, node, place] : [runId, frame, node, place];
  return hash('sha256', parts.join('\n'), 'hex').slice(0, 32);
}
