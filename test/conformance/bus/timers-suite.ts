import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DurableBus, EventMessage } from '../../../host/bus/bus.ts';
import type { Owner } from '../../../host/bus/owner.ts';
import type { ListedTimer, StoredTimer, Timer, TimerPage, TimerQueue } from '../../../host/bus/timers.ts';
import { parseEventType } from '../../../host/event/names.ts';
import { ACME, Collector, GLOBEX } from './collector.ts';

/** The timers, and as much of their bus as shows what they fire. */
export type TimersBus = Pick<DurableBus, 'timers' | 'publish' | 'consume' | 'tap' | 'close'>;

/** What an implementation gives the suite to work with. */
export interface TimersHarness {
  /** Opens the bus; after `close`, opens it again on what was stored. */
  open(): Promise<TimersBus>;
  dispose(): Promise<void>;
}

const DUE = parseEventType('reminder.due');
const orders: Owner = { tenant: ACME, source: 'orders' };
const mail: Owner = { tenant: ACME, source: 'mail' };
const theirs: Owner = { tenant: GLOBEX, source: 'orders' };
const queue: TimerQueue = { ...orders, type: DUE };

function timer(id: string, dueAt: number, more: Partial<Timer> = {}): Timer {
  return { id, dueAt, everyMs: null, type: DUE, payload: '1', metadata: '{}', ...more };
}

const eventOf = (id: string): EventMessage => ({ id, type: DUE, json: `{"id":"${id}"}` });

/** The promises of host/bus/timers.ts, held against any implementation. */
export function timersConformance(name: string, start: () => Promise<TimersHarness>): void {
  describe(`timers: ${name}`, () => {
    let harness: TimersHarness;
    let bus: TimersBus;

    beforeEach(async () => {
      harness = await start();
      bus = await harness.open();
    });

    afterEach(async () => {
      await bus.close();
      await harness.dispose();
    });

    async function first(of = queue): Promise<StoredTimer> {
      const [due] = (await bus.timers.due(of, Number.MAX_SAFE_INTEGER, 1)).timers;
      if (due === undefined) throw new Error('A timer was expected.');
      return due;
    }

    test('due timers come in order, up to the limit, with the instant of the next', async () => {
      const { timers } = bus;
      for (const [id, at] of [
        ['c', 30],
        ['a', 10],
        ['b', 20],
      ] as const)
        await timers.set(orders, timer(id, at), 10);
      const ids = async (now: number, limit: number) => {
        const { timers: due, nextDueAt } = await timers.due(queue, now, limit);
        return [due.map(({ id }) => id).join(''), nextDueAt];
      };
      expect(await ids(9, 10)).toEqual(['', 10]);
      expect(await ids(20, 10)).toEqual(['ab', 30]);
      expect(await ids(30, 2)).toEqual(['ab', 30]);
      expect(await ids(30, 3)).toEqual(['abc', null]);
    });

    test('a timer is stored as it was set; setting it again replaces it, in another queue if it is of another type', async () => {
      const texts = { everyMs: 5000, payload: '{"a":"é"}', metadata: '{"hops":0}' };
      await bus.timers.set(orders, timer('t', 10, texts), 1);
      const before = await first();
      expect(before).toEqual({ ...timer('t', 10, texts), revision: expect.any(Number) });
      const other = parseEventType('other');
      expect(await bus.timers.set(orders, timer('t', 20, { type: other }), 1)).toBe(true);
      expect((await bus.timers.due(queue, 100, 10)).timers).toEqual([]);
      const after = await first({ ...orders, type: other });
      expect(after.dueAt).toBe(20);
      expect(after.revision).toBeGreaterThan(before.revision);
    });

    test('neither two tenants nor two providers of one see, clear or count each other’s timers', async () => {
      const { timers } = bus;
      for (const owner of [orders, mail, theirs])
        expect(await timers.set(owner, timer('t', 1), 1)).toBe(true);
      expect(await timers.clear(mail, 't')).toBe(true);
      expect(await timers.clear(mail, 't')).toBe(false);
      expect(await timers.queues()).toEqual(
        expect.arrayContaining([
          { ...orders, type: DUE, count: 1, nextDueAt: 1 },
          { ...theirs, type: DUE, count: 1, nextDueAt: 1 },
        ]),
      );
      expect(await timers.queues()).toHaveLength(2);
    });

    test('timers by the thousand at once: the bound holds exactly; replacing needs no room, clearing makes some', async () => {
      const { timers } = bus;
      const outcomes = await Promise.all(
        Array.from({ length: 3000 }, (_, n) => timers.set(orders, timer(`t${n}`, n), 1000)),
      );
      expect(outcomes.filter(Boolean)).toHaveLength(1000);
      expect(await timers.queues()).toMatchObject([{ count: 1000, nextDueAt: 0 }]);
      expect(await timers.set(orders, timer('t5', 9), 1000)).toBe(true);
      expect(await timers.set(orders, timer('new', 9), 1000)).toBe(false);
      await timers.clear(orders, 't5');
      expect(await timers.set(orders, timer('new', 9), 1000)).toBe(true);
      expect(await timers.set(orders, timer('newer', 9), 1000)).toBe(false);
    });

    test('an owner’s timers are listed a page at a time, each once, and nobody else’s', async () => {
      const { timers } = bus;
      const ids = ['c', 'a', 'é "1"', 'b', 'd'];
      for (const id of ids)
        await timers.set(orders, timer(id, 10, { everyMs: id === 'b' ? 5000 : null }), 10);
      await timers.set(mail, timer('m', 10), 10);
      await timers.set(theirs, timer('t', 10), 10);
      const found: ListedTimer[] = [];
      const sizes: number[] = [];
      for (let after: string | null = null, isFirst = true; isFirst || after !== null; isFirst = false) {
        const page: TimerPage = await timers.list(orders, after, 2);
        found.push(...page.timers);
        sizes.push(page.timers.length);
        after = page.next;
      }
      expect(sizes).toEqual([2, 2, 1]);
      expect(found.map(({ id }) => id).sort()).toEqual([...ids].sort());
      expect(found.find(({ id }) => id === 'b')).toEqual({ id: 'b', dueAt: 10, everyMs: 5000, type: DUE });
      expect(await timers.list(orders, null, 5)).toMatchObject({ next: null });
      await timers.clear(orders, 'a');
      expect((await timers.list(orders, null, 10)).timers).toHaveLength(4);
      const nobody = { ...orders, source: 'nobody' };
      expect(await timers.list(nobody, null, 10)).toEqual({ timers: [], next: null });
    });

    test('firing publishes the event and takes the timer away', async () => {
      await bus.timers.set(orders, timer('t', 10), 1);
      const tapped: string[] = [];
      bus.tap((messages) => tapped.push(...messages.map(({ json }) => json)));
      const collector = await Collector.start(bus, ACME, 10);
      expect(await bus.timers.fire(orders, await first(), eventOf('e'), null)).toBe(true);
      await collector.until(1);
      expect(collector.ids).toEqual(['e']);
      expect(tapped).toEqual(['{"id":"e"}']);
      expect(await bus.timers.queues()).toEqual([]);
      expect(await bus.timers.set(orders, timer('another', 10), 1)).toBe(true);
    });

    test('firing a repeating timer moves it on', async () => {
      await bus.timers.set(orders, timer('t', 10, { everyMs: 1000 }), 1);
      expect(await bus.timers.fire(orders, await first(), eventOf('e'), 1010)).toBe(true);
      expect(await bus.timers.queues()).toMatchObject([{ count: 1, nextDueAt: 1010 }]);
      expect(await bus.timers.set(orders, timer('another', 10), 1)).toBe(false);
    });

    test.each<[string, () => Promise<unknown>]>([
      ['cleared', () => bus.timers.clear(orders, 't')],
      ['set again for the same instant', () => bus.timers.set(orders, timer('t', 10, { payload: '2' }), 1)],
      ['fired already', async () => bus.timers.fire(orders, await first(), eventOf('before'), 20)],
    ])('a timer that was %s since it was read does not fire', async (_what, change) => {
      await bus.timers.set(orders, timer('t', 10, { everyMs: 10 }), 1);
      const read = await first();
      await change();
      const before = await bus.timers.queues();
      for (const next of [null, 30])
        expect(await bus.timers.fire(orders, read, eventOf('late'), next)).toBe(false);
      expect(await bus.timers.queues()).toEqual(before);
      expect(await bus.publish(ACME, [eventOf('late')])).toEqual([{ id: 'late', duplicate: false }]);
    });

    test('B4 an event that was published before is no second one, and its timer goes all the same', async () => {
      await bus.publish(ACME, [eventOf('e')]);
      await bus.timers.set(orders, timer('t', 10), 1);
      expect(await bus.timers.fire(orders, await first(), eventOf('e'), null)).toBe(true);
      await bus.publish(ACME, [eventOf('behind')]);
      const collector = await Collector.start(bus, ACME, 10);
      await collector.until(2);
      expect(collector.ids).toEqual(['e', 'behind']);
      expect(await bus.timers.queues()).toEqual([]);
    });

    test('B1 timers outlive a restart, and their revisions are not given again', async () => {
      await bus.timers.set(orders, timer('t', 10), 1);
      const { revision } = await first();
      await bus.timers.clear(orders, 't');
      await bus.timers.set(mail, timer('m', 20), 1);
      await bus.close();
      bus = await harness.open();
      expect(await bus.timers.queues()).toEqual([{ ...mail, type: DUE, count: 1, nextDueAt: 20 }]);
      await bus.timers.set(orders, timer('t', 10), 1);
      expect((await first()).revision).toBeGreaterThan(revision);
      expect(await bus.timers.set(mail, timer('n', 20), 1)).toBe(false);
    });

    test('whoever watches hears of each timer that was set, and of none that was refused', async () => {
      const { timers } = bus;
      const heard: unknown[] = [];
      const stop = timers.watch((of, dueAt) => heard.push([of, dueAt]));
      await timers.set(orders, timer('a', 10), 1);
      await timers.set(orders, timer('b', 20), 1);
      await timers.set(orders, timer('a', 5), 1);
      stop();
      await timers.set(orders, timer('a', 1), 1);
      expect(heard).toEqual([
        [queue, 10],
        [queue, 5],
      ]);
    });
  });
}
