import { stat } from 'node:fs/promises';
import type { Bundle } from '../bundle/bundle.ts';
import type { WaitingTimers } from '../bus/timers.ts';
import type { OperatorTimers } from '../control/timers.ts';
import { deploy } from './deployment.ts';
import { openBus } from './open-bus.ts';
import { operatorTimers } from './operator-timers.ts';

/**
 * The schedules of a bundle that no host runs, and what its store has of timers; without a store none is made.
 * @throws GtpackError with every problem of the bundle, its packs and flows; and as its bus does
 */
export async function bundleTimers(bundle: Bundle, now: () => number): Promise<OperatorTimers> {
  const { tenants } = await deploy(bundle, 'compare');
  const timers = await waitingTimers(bundle);
  return operatorTimers({
    schedules: tenants.flatMap(({ schedules }) => schedules),
    timers: async () => timers,
    now,
  });
}

async function waitingTimers(bundle: Bundle): Promise<readonly WaitingTimers[]> {
  if (bundle.bus.kind === 'embedded' && !(await isThere(bundle.bus.file))) return [];
  const bus = await openBus(bundle);
  try {
    return await bus.timers.queues();
  } finally {
    await bus.close();
  }
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}
