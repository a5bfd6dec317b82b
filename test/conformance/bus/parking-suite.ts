import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Delivery, DurableBus, JournalEntry } from '../../../host/bus/bus.ts';
import { type ParkedRun, parkedRuns, RESUME_EVENT } from '../../../host/bus/parked.ts';
import { timerEvent } from '../../../host/bus/timer-event.ts';
import type { TimerQueue } from '../../../host/bus/timers.ts';
import type { Awaited } from '../../../host/bus/waits.ts';
import { parseEventType } from '../../../host/event/names.ts';
import { ACME, Collector, message, runOf } from './collector.ts';

/** What parking is held against. */
export type ParkingBus = Pick<
  DurableBus,
  'timers' | 'waits' | 'publish' | 'consume' | 'tap' | 'journals' | 'runs' | 'counts' | 'close'
>;

export interface ParkingHarness {
  /** Opens the bus; after `close`, opens it again on what was stored. */
  open(): Promise<ParkingBus>;
  dispose(): Promise<void>;
}

const queue: TimerQueue = { ...parkedRuns(ACME), type: RESUME_EVENT };
const RUN = 'f'.repeat(32);
const TRACE = '0'.repeat(32);

function parkedOf({ sequence }: Delivery, dueAt = 1000, runId = RUN): ParkedRun {
  return { id: `${runId}.${sequence}`, dueAt, runId, state: '{"run_id":"é"}' };
}

/** The promises of host/bus/parked.ts, held against any implementation. */
export function parkingConformance(name: string, start: () => Promise<ParkingHarness>): void {
  describe(`parked runs: ${name}`, () => {
    let harness: ParkingHarness;
    let bus: ParkingBus;

    beforeEach(async () => {
      harness = await start();
      bus = await harness.open();
    });

    afterEach(async () => {
      await bus.close();
      await harness.dispose();
    });

    const due = async (now = 1000) => (await bus.timers.due(queue, now, 100)).timers;

    async function delivered(...ids: string[]): Promise<Collector> {
      await bus.publish(
        ACME,
        ids.map((id) => message(id)),
      );
      const collector = await Collector.start(bus, ACME);
      await collector.until(ids.length);
      return collector;
    }

    const park = (collector: Collector, delivery: Delivery, max = 10, runs = [parkedOf(delivery)]) =>
      collector.consumer.settle({
        ...{ kind: 'ack', delivery, runs: [] },
        parking: { runs, max, delayMs: 60_000 },
      });

    /** Fires what is due, as each host does. */
    async function resume(): Promise<boolean[]> {
      const timers = await due();
      const fired = timers.map((timer) =>
        bus.timers.fire(queue, timer, timerEvent(queue, timer, TRACE), null),
      );
      return Promise.all(fired);
    }

    test('a run is parked in one step with the acknowledgement, and its watcher hears when it is due', async () => {
      const heard: [string, number][] = [];
      bus.timers.watch(({ source }, at) => heard.push([source, at]));
      const collector = await delivered('one');
      const entry: JournalEntry = { runId: RUN, ordinal: 0, entry: '{"node":"a"}' };
      await bus.publish(ACME, [], [entry]);
      await park(collector, collector.at(0));
      // The acknowledgement follows the settlement.
      await expect.poll(async () => (await bus.counts()).get(ACME)?.pending ?? 0).toBe(0);
      expect(heard).toEqual([['host:runs', 1000]]);
      await bus.close();
      bus = await harness.open();
      expect(await bus.timers.queues()).toEqual([{ ...queue, count: 1, nextDueAt: 1000 }]);
      expect(await due(999)).toEqual([]);
      expect(await due()).toMatchObject([{ id: `${RUN}.1`, payload: '{"run_id":"é"}' }]);
    });

    test('B2 what is not acknowledged parks nothing, and parks the same when it is delivered again', async () => {
      await delivered('one');
      await bus.close();
      bus = await harness.open();
      expect(await bus.timers.queues()).toEqual([]);
      const again = await Collector.start(bus, ACME);
      await again.until(1);
      await park(again, again.at(0));
      await park(again, again.at(0));
      expect(await due()).toHaveLength(1);
    });

    test('B6 it is resumed once, however many hosts do it and however often', async () => {
      const collector = await delivered('one');
      await park(collector, collector.at(0));
      const [timer] = await due();
      if (timer === undefined) throw new Error('A parked run was expected.');
      const events = ['1', '2', '3'].map((digit) => timerEvent(queue, timer, digit.repeat(32)));
      const fired = await Promise.all(events.map((event) => bus.timers.fire(queue, timer, event, null)));
      expect(fired.filter(Boolean)).toHaveLength(1);
      await collector.until(2);
      const resumed = collector.at(1);
      expect(resumed).toMatchObject({ type: RESUME_EVENT, schedule: `resume:${RUN}.1` });
      expect(JSON.parse(resumed.json).payload).toEqual({ run_id: 'é' });
      expect(await due()).toEqual([]);
      // Whoever parks it again, since it did not learn that it was done.
      await bus.timers.set(queue, timer, 10);
      await resume();
      await collector.ack(resumed);
      await bus.publish(ACME, [message('last')]);
      await collector.until(3);
      expect(collector.ids).toEqual(['one', resumed.id, 'last']);
    });

    describe('that waits for an event', () => {
      const awaiting = (delivery: Delivery, awaits: Omit<Awaited, 'after'>, runId = RUN): ParkedRun => ({
        ...parkedOf(delivery, 1000, runId),
        awaits: { ...awaits, after: delivery.sequence },
      });
      const found = async (
        of: ParkingBus,
        type: string,
        position: number,
        values: Record<string, string> = {},
      ) => {
        await of.waits.catchUp(ACME);
        return of.waits.find(
          ACME,
          { type: parseEventType(type), position },
          (path) => values[path.join('.')],
        );
      };

      test('is found by type, by what it waits for at a path, and by no event from before, over a restart', async () => {
        const collector = await delivered('one', 'two', 'three');
        const [one, two, three] = [collector.at(0), collector.at(1), collector.at(2)];
        const runs = [
          awaiting(one, { pattern: 'order.*' }),
          awaiting(
            two,
            { pattern: 'order.paid', key: { path: ['payload', 'id'], value: 'k1' } },
            'e'.repeat(32),
          ),
          awaiting(three, { pattern: '>', key: { path: ['payload', 'id'], value: 'k2' } }, 'd'.repeat(32)),
        ];
        for (const [at, run] of runs.entries()) await park(collector, collector.at(at), 10, [run]);
        const ids = runs.map(({ id }) => id);
        const [first, second, third] = ids;
        const after = three.sequence + 1;
        const look = async (): Promise<void> => {
          expect(bus.waits.has(ACME)).toBe(true);
          expect(await found(bus, 'order.paid', after)).toEqual([first]);
          expect(await found(bus, 'order.paid', after, { 'payload.id': 'k1' })).toEqual([first, second]);
          expect(await found(bus, 'other', after, { 'payload.id': 'k2' })).toEqual([third]);
          expect(await found(bus, 'other', three.sequence, { 'payload.id': 'k2' })).toEqual([]);
          expect(await found(bus, 'order.paid.late', after)).toEqual([]);
        };
        await look();
        await bus.close();
        bus = await harness.open();
        await look();
        expect(await bus.timers.get(queue, first ?? '')).toMatchObject({
          id: first,
          payload: '{"run_id":"é"}',
        });
        expect(await bus.timers.get(queue, 'other')).toBeNull();
      });

      test('is resumed by an event or by the end of its time, by one of them, and is found no more', async () => {
        const collector = await delivered('one');
        await park(collector, collector.at(0), 10, [awaiting(collector.at(0), { pattern: 'order.paid' })]);
        const [id] = await found(bus, 'order.paid', 100);
        const timer = await bus.timers.get(queue, id ?? '');
        const [dueTimer] = await due();
        if (timer === null || dueTimer === undefined) throw new Error('A parked run was expected.');
        const arrived = timerEvent(queue, { ...timer, payload: '{"arrived":"{}"}' }, TRACE);
        const late = timerEvent(queue, dueTimer, TRACE);
        expect(late.id).toBe(arrived.id);
        const fired = await Promise.all(
          [arrived, late, arrived].map((event) => bus.timers.fire(queue, timer, event, null)),
        );
        expect(fired.filter(Boolean)).toHaveLength(1);
        expect(await found(bus, 'order.paid', 100)).toEqual([]);
        expect(bus.waits.has(ACME)).toBe(false);
        await bus.publish(ACME, [message('last')]);
        await collector.until(3);
        await collector.ack(collector.at(1));
        expect(collector.ids).toEqual(['one', arrived.id, 'last']);
      });
    });

    test('runs that find no room wait with their event, all of them', async () => {
      const collector = await delivered('one', 'two');
      await park(collector, collector.at(0), 2);
      const other = collector.at(1);
      const two = [parkedOf(other), parkedOf(other, 1000, 'e'.repeat(32))];
      await park(collector, other, 2, two);
      expect((await bus.counts()).get(ACME)?.pending).toBe(1);
      expect(await due()).toHaveLength(1);
      expect(await resume()).toEqual([true]);
      await collector.until(3);
      expect(collector.at(2).type).toBe(RESUME_EVENT);
    });

    test('the result of a resumed run is on the subject of the event that it began with, and its record names it', async () => {
      const told: [string, string][] = [];
      bus.tap((messages) => {
        for (const { kind, type, json } of messages) if (kind === 'result') told.push([type, json]);
      });
      const collector = await delivered('one');
      const { id, type } = collector.at(0);
      await park(collector, collector.at(0));
      await resume();
      await collector.until(2);
      const run = { ...runOf(RUN), event: { id, type } };
      await collector.ack(collector.at(1), [run]);
      expect(told).toEqual([[type, run.resultJson]]);
      const { items } = await bus.runs.list({ limit: 10, eventId: 'one' });
      expect(items).toMatchObject([{ runId: RUN, eventId: 'one', eventType: type }]);
      expect(await bus.runs.get(RUN)).toMatchObject({ eventId: 'one', eventType: type });
      expect(await bus.journals([RUN])).toEqual(new Map());
    });
  });
}
