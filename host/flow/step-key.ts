import { hash } from 'node:crypto';

/**
 * Names one step of a run, the same on every delivery: the id of an event that it publishes, which makes a repeat a
 * duplicate (promise B4), and the `Idempotency-Key` of a request that it sends. 32 hex digits.
 * @param ordinal place of the step in the run, from 0
 */
export function stepKey(runId: string, node: string, ordinal: number): string {
  return hash('sha256', `${runId}\n${node}\n${ordinal}`, 'hex').slice(0, 32);
}
