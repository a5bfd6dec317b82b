import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../host/bus/bus.ts';
import { type EmbeddedBusOptions, openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { ACME, Collector, GLOBEX, message, messages, runOf, settled } from '../conformance/bus/collector.ts';
import { ManualTime } from '../conformance/bus/manual-time.ts';
import { temporaryFolder } from './fixture/folder.ts';

const open = (options: Omit<EmbeddedBusOptions, 'file'> = {}) =>
  openEmbeddedBus({ file: join(temporaryFolder(), 'bus.db'), ...options });

test('past the bound of waiting operations publishing is refused, retryable, and goes on later', async () => {
  const bus = await open({ maxQueuedOperations: 20 });
  const outcomes = await Promise.allSettled(messages(50).map((one) => bus.publish(ACME, [one])));
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(40);
  for (const outcome of refused)
    expect(outcome).toMatchObject({ reason: { code: 'bus_unavailable', retryable: true } });
  await bus.publish(ACME, [message('later')]);
  expect((await bus.counts()).get(ACME)?.pending).toBe(11);
  await bus.close();
});

test('past the bound of waiting bytes publishing is refused; one event above the bound passes alone', async () => {
  const bus = await open({ maxQueuedBytes: 1000 });
  const large = (id: string) => message(id, JSON.stringify('x'.repeat(2000)));
  const outcomes = await Promise.allSettled([
    bus.publish(ACME, [large('a')]),
    bus.publish(ACME, [large('b')]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await bus.close();
});

test('B2 one tenant that fills the queue leaves room for another, and delays its next by no more than one', async () => {
  const bus = await open({ maxQueuedOperations: 1000 });
  const passed: string[] = [];
  bus.tap((seen) => passed.push(...seen.map(({ tenant }) => tenant)));
  const flood = messages(2000).map((one) => bus.publish(ACME, [one]));
  const other = bus.publish(GLOBEX, [message('other')]);
  const outcomes = await Promise.allSettled(flood);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(500);
  await expect(other).resolves.toEqual([{ id: 'other', duplicate: false }]);
  // The first took its turn before the other was there.
  expect(passed.indexOf(GLOBEX)).toBe(1);
  await bus.close();
});

test('settling is never refused for want of room: it makes room', async () => {
  const bus = await open({ maxQueuedOperations: 5 });
  await bus.publish(ACME, messages(200));
  const collector = await Collector.start(bus, ACME, 200);
  await collector.until(200);
  await Promise.all(collector.deliveries.map((delivery) => collector.ack(delivery, [runOf(delivery.id)])));
  expect((await bus.counts()).get(ACME)).toEqual({ pending: 0, deadLetters: 0 });
  await bus.close();
});

test('a bad operation is rejected for good, without harm to the others of its batch', async () => {
  const bus = await open();
  const outcomes = await Promise.allSettled([
    bus.publish(ACME, [message('before')]),
    bus.publish(ACME, [message('bad')], [{ runId: 'run', ordinal: 0.5, entry: '{}' }]),
    bus.publish(ACME, [message('after')]),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(outcomes[1]).toMatchObject({ reason: { code: 'bus_unavailable', retryable: false } });
  await bus.close();
});

test('more of an object than the bus stores does not cross to its thread', async () => {
  const bus = await open();
  const uncloneable = { release: () => undefined };
  await bus.publish(
    ACME,
    [{ ...message('one'), ...uncloneable }],
    [{ runId: 'r', ordinal: 0, entry: '1', ...uncloneable }],
  );
  const collector = await Collector.start(bus, ACME);
  await collector.until(1);
  await collector.ack(collector.at(0), [{ ...runOf('r'), ...uncloneable } as RunRecord]);
  await bus.close();
});

test('counts tell when the oldest event that is not settled was stored, one that was put off included', async () => {
  const time = new ManualTime();
  const bus = await open({ scheduler: time });
  const oldest = async (): Promise<unknown> => (await bus.counts()).get(ACME)?.oldestAt;
  const start = time.now();
  for (const id of ['a', 'b', 'c']) {
    await bus.publish(ACME, [message(id)]);
    time.advance(1000);
  }
  expect(await oldest()).toBe(start);
  const collector = await Collector.start(bus, ACME);
  await collector.until(3);
  await collector.ack(collector.at(0));
  await collector.nak(collector.at(1), 60_000);
  expect(await oldest()).toBe(start + 1000);
  await collector.dead(collector.at(1), 'no');
  expect(await oldest()).toBe(start + 2000);
  await collector.ack(collector.at(2));
  expect(await oldest()).toBeUndefined();
  await bus.close();
});

test('counts tell what waits and what died, per tenant, also after the bus is opened again', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const first = await openEmbeddedBus({ file });
  await first.publish(ACME, messages(5));
  await first.publish(GLOBEX, messages(2));
  const collector = await Collector.start(first, ACME);
  await collector.until(5);
  await collector.ack(collector.at(0));
  await collector.dead(collector.at(1), 'no');
  await collector.nak(collector.at(2), 60_000);
  const expected = [
    [ACME, { pending: 3, deadLetters: 1, oldestAt: expect.any(Number) }],
    [GLOBEX, { pending: 2, deadLetters: 0, oldestAt: expect.any(Number) }],
  ];
  const counted = await first.counts();
  expect([...counted]).toEqual(expected);
  await first.close();
  const second = await openEmbeddedBus({ file });
  expect(await second.counts()).toEqual(counted);
  await second.close();
});

test('B2 past what is held in memory events wait on disk, and come in order all the same', async () => {
  const bus = await open();
  const collector = await Collector.start(bus, ACME, 10);
  await bus.publish(ACME, messages(3000));
  await bus.publish(
    ACME,
    Array.from({ length: 20 }, (_, index) => message(`large-${index}`, JSON.stringify('x'.repeat(200_000)))),
  );
  await bus.publish(ACME, messages(100, 'last-'));
  expect(collector.deliveries).toHaveLength(10);
  collector.onDelivery = (delivery) => void collector.ack(delivery);
  for (const delivery of [...collector.deliveries]) void collector.ack(delivery);
  await collector.until(3120);
  const sequences = collector.deliveries.map(({ sequence }) => sequence);
  expect(sequences).toEqual(Array.from({ length: 3120 }, (_, index) => index + 1));
  await bus.close();
});

test('B2 500 tenants that settle nothing hold up none of the others', async () => {
  const bus = await open();
  const tenants = Array.from({ length: 500 }, (_, index) => parseTenantId(`t${index}`));
  for (const tenant of tenants) await Collector.start(bus, tenant, 1);
  // More than all tenants together may hold in memory.
  const text = JSON.stringify('x'.repeat(100_000));
  for (const tenant of tenants)
    await bus.publish(
      tenant,
      Array.from({ length: 2 }, (_, index) => message(`${index}`, text)),
    );
  const served = await Collector.start(bus, ACME, 4);
  served.onDelivery = (delivery) => void served.ack(delivery);
  await bus.publish(ACME, messages(200));
  await served.until(200);
  await bus.close();
});

test('a clock that is set back delays a retry, and loses none', async () => {
  const scheduler = new ManualTime();
  const bus = await open({ scheduler });
  const collector = await Collector.start(bus, ACME);
  await bus.publish(ACME, [message('one')]);
  await collector.until(1);
  await collector.nak(collector.at(0), 1000);
  scheduler.setBack(60 * 60 * 1000);
  scheduler.advance(2000);
  await settled(bus);
  scheduler.advance(60 * 60 * 1000);
  await collector.until(2);
  await bus.close();
  expect(scheduler.timers).toBe(0);
});

test('retention runs by itself, a minute apart, in small steps', async () => {
  const scheduler = new ManualTime();
  const bus = await open({ scheduler, dedupeWindowMs: 1000, retentionMs: 5000 });
  const collector = await Collector.start(bus, ACME);
  await bus.publish(ACME, [message('one')]);
  await collector.until(1);
  await collector.ack(collector.at(0), [runOf('run')]);
  scheduler.advance(60_000);
  await settled(bus);
  await bus.publish(ACME, [message('one')]);
  await collector.until(2);
  await bus.close();
  expect(scheduler.timers).toBe(0);
});
