import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import type { Owner } from '../../host/bus/owner.ts';
import { parseEventType } from '../../host/event/names.ts';
import { ACME } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

const type = parseEventType('reminder.due');
const orders: Owner = { tenant: ACME, source: 'orders' };

test('an event that cannot be stored leaves its timer where it was: both or neither', async () => {
  const bus = await openEmbeddedBus({ file: join(temporaryFolder(), 'bus.db'), maxFileBytes: 200 * 1024 });
  const timer = { id: 't', dueAt: 10, everyMs: null, type, payload: '1', metadata: '{}' };
  await bus.timers.set(orders, timer, 1);
  const [due] = (await bus.timers.due({ ...orders, type }, 10, 1)).timers;
  if (due === undefined) throw new Error('A timer was expected.');
  const large = { id: 'e', type, json: JSON.stringify('x'.repeat(400 * 1024)) };
  await expect(bus.timers.fire(orders, due, large, null)).rejects.toMatchObject({ code: 'bus_disk_full' });
  expect(await bus.timers.queues()).toMatchObject([{ count: 1 }]);
  expect((await bus.counts()).get(ACME)?.pending ?? 0).toBe(0);
  await bus.close();
});
