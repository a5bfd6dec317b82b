import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { ACME, Collector, GLOBEX, message, settled } from '../conformance/bus/collector.ts';
import { startPublisher, temporaryFolder } from './fixture/folder.ts';

const said = (lines: readonly string[], verb: string): string[] =>
  lines.filter((line) => line.startsWith(`${verb} `)).map((line) => line.slice(verb.length + 1));

test.each([50, 777, 3000])(
  'B1 B2 B3 B4 a host killed after about %d promises has kept every one of them',
  async (count) => {
    const file = join(temporaryFolder(), 'bus.db');
    const publisher = startPublisher(file);
    await publisher.untilLines(count);
    const lines = await publisher.kill();
    const stored = said(lines, 'stored');
    const acked = new Set(said(lines, 'settled'));
    expect(stored.length).toBeGreaterThan(0);

    const bus = await openEmbeddedBus({ file });
    const counts = await bus.counts();
    const delivered: string[] = [];
    for (const tenant of [ACME, GLOBEX]) {
      const pending = counts.get(tenant)?.pending ?? 0;
      const collector = await Collector.start(bus, tenant, 100_000);
      await collector.until(pending);
      await settled(bus);
      expect(collector.deliveries).toHaveLength(pending);
      expect(collector.deliveries.every(({ redelivered }) => redelivered)).toBe(true);
      delivered.push(...collector.ids);
    }
    // Each acknowledged id is either waiting or was settled; what was settled is not waiting.
    const waiting = new Set(delivered);
    const receipts = await Promise.all(
      stored.map((id) => bus.publish(id.startsWith('acme') ? ACME : GLOBEX, [message(id)])),
    );
    expect(receipts.flat().filter(({ duplicate }) => !duplicate)).toEqual([]);
    expect(stored.filter((id) => id.startsWith('globex') && !waiting.has(id))).toEqual([]);
    expect([...acked].filter((id) => waiting.has(id))).toEqual([]);

    const journals = said(lines, 'recorded');
    expect([...(await bus.journals(journals)).keys()]).toEqual(journals);
    await bus.close();
  },
);

test('a second host is refused while the first lives, by its pid, and not after it was killed', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const publisher = startPublisher(file);
  await publisher.untilLines(10);
  await expect(openEmbeddedBus({ file })).rejects.toMatchObject({
    code: 'bus_locked',
    message: `${file}: The bus file is in use by another host (last opened by pid ${publisher.pid}). Stop the other host first, or give this one a bus file of its own.`,
  });
  await publisher.kill();
  const bus = await openEmbeddedBus({ file });
  await bus.close();
});
