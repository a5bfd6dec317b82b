import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DurableBus } from '../../host/bus/bus.ts';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { ACME, Collector, message, messages, runOf, settled } from '../conformance/bus/collector.ts';
import { ManualTime } from '../conformance/bus/manual-time.ts';
import { temporaryFolder } from './fixture/folder.ts';

const HOUR_MS = 60 * 60 * 1000;

/** A clock that jumps back an hour: nothing accepted is lost, and nothing is done twice. */
async function withBus(work: (bus: DurableBus, time: ManualTime) => Promise<void>): Promise<void> {
  const scheduler = new ManualTime();
  const file = join(temporaryFolder(), 'bus.db');
  const bus = await openEmbeddedBus({ file, scheduler, dedupeWindowMs: 2 * HOUR_MS });
  try {
    await work(bus, scheduler);
  } finally {
    await bus.close();
  }
  expect(scheduler.timers).toBe(0);
}

test('B4 an id is known over the jump, and for no less than its window after it', () =>
  withBus(async (bus, time) => {
    const duplicate = async (id: string) => (await bus.publish(ACME, [message(id)]))[0]?.duplicate;
    expect(await duplicate('before')).toBe(false);
    time.setBack(HOUR_MS);
    expect(await duplicate('before')).toBe(true);
    expect(await duplicate('after')).toBe(false);
    time.advance(2 * HOUR_MS - 1);
    expect(await duplicate('before')).toBe(true);
    expect(await duplicate('after')).toBe(true);
  }));

test('B2 what waits is not swept, and what is settled is kept for no less than its time', () =>
  withBus(async (bus, time) => {
    await bus.publish(ACME, messages(3));
    const collector = await Collector.start(bus, ACME, 3);
    await collector.until(3);
    await collector.ack(collector.at(0), [runOf('run-0')]);
    time.setBack(HOUR_MS);
    await collector.ack(collector.at(1), [runOf('run-1')]);
    time.advance(2 * HOUR_MS - 61_000);
    await settled(bus);
    expect(await bus.runs.get('run-0')).not.toBeNull();
    expect(await bus.runs.get('run-1')).not.toBeNull();
    expect((await bus.counts()).get(ACME)).toMatchObject({ pending: 1, deadLetters: 0 });
    await collector.ack(collector.at(2), [runOf('run-2')]);
  }));

test('an event that was put off comes later, once, and holds back those behind it where order is strict', () =>
  withBus(async (bus, time) => {
    await bus.publish(ACME, messages(2));
    const collector = new Collector();
    await collector.consume(bus, ACME, { maxInFlight: 10, ordered: true });
    await collector.until(1);
    await collector.nak(collector.at(0), 1000);
    time.setBack(HOUR_MS);
    time.advance(HOUR_MS);
    await settled(bus);
    expect(collector.ids).toEqual(['event-0']);
    time.advance(60_000);
    await collector.until(2);
    await collector.ack(collector.at(1));
    await collector.until(3);
    expect(collector.ids).toEqual(['event-0', 'event-0', 'event-1']);
    await collector.ack(collector.at(2));
  }));

test('a value outlives its time by no more than the jump, and one that was swept does not come back', () =>
  withBus(async ({ state }, time) => {
    const owner = { tenant: ACME, source: 'orders' };
    const quota = { maxKeys: 10, maxBytes: 1000, maxValueBytes: 100 };
    await state.set(owner, 'swept', '1', quota, { ttlMs: 1000 });
    await state.set(owner, 'kept', '1', quota, { ttlMs: 10 * HOUR_MS });
    time.advance(120_000);
    expect(await state.delete(owner, 'swept')).toBe('absent');
    time.setBack(HOUR_MS);
    expect(await state.get(owner, 'swept')).toBeNull();
    time.advance(10 * HOUR_MS);
    expect(await state.get(owner, 'kept')).not.toBeNull();
    time.advance(HOUR_MS);
    expect(await state.get(owner, 'kept')).toBeNull();
  }));

test('a timer that fired does not fire again when its instant comes a second time', () =>
  withBus(async (bus, time) => {
    const owner = { tenant: ACME, source: 'orders' };
    const queue = { ...owner, type: message('x').type };
    const once = { ...{ everyMs: null, type: queue.type }, payload: '1', metadata: '{}' };
    const dueAt = time.now() + 1000;
    await bus.timers.set(owner, { ...once, id: 'once', dueAt }, 10);
    await bus.timers.set(owner, { ...once, id: 'often', dueAt, everyMs: HOUR_MS }, 10);
    time.advance(1000);
    for (const timer of (await bus.timers.due(queue, time.now(), 10)).timers) {
      const next = timer.everyMs === null ? null : timer.dueAt + timer.everyMs;
      expect(await bus.timers.fire(owner, timer, message(`${timer.id}-1`), next)).toBe(true);
    }
    time.setBack(HOUR_MS);
    time.advance(HOUR_MS);
    expect(await bus.timers.due(queue, time.now(), 10)).toEqual({ timers: [], nextDueAt: dueAt + HOUR_MS });
    expect((await bus.counts()).get(ACME)?.pending).toBe(2);
  }));
