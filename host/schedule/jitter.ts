import { hash } from 'node:crypto';
import type { InstantPlan } from './calculator.ts';

/**
 * How long after an instant its tick comes: anything under `jitterMs`, and under the time to the next instant, so that
 * ticks keep their order. Made of the tick's id, so that every host finds the same.
 */
export function delayIn(jitterMs: number, plan: InstantPlan, instant: number, tickId: string): number {
  if (jitterMs === 0) return 0;
  const following = plan.next(instant);
  const room = following === null ? jitterMs : Math.min(jitterMs, following - instant);
  return Number.parseInt(hash('sha256', tickId, 'hex').slice(0, 12), 16) % room;
}
