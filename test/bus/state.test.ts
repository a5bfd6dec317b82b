import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import type { Owner } from '../../host/bus/owner.ts';
import type { StateQuota } from '../../host/bus/state.ts';
import { ACME } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

const orders: Owner = { tenant: ACME, source: 'orders' };
const ROOMY: StateQuota = { maxKeys: 1000, maxBytes: 1024 * 1024, maxValueBytes: 64 * 1024 };

test('past the bound of what may wait, calls are refused, retryable', async () => {
  const bus = await openEmbeddedBus({ file: join(temporaryFolder(), 'bus.db'), maxQueuedOperations: 10 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => bus.state.set(orders, `k${n}`, '1', ROOMY)),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'bus_unavailable', retryable: true } });
  await bus.close();
});
