import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bus, TappedMessage } from '../../../host/bus/bus.ts';
import { GtpackError } from '../../../host/errors.ts';
import { ACME, Collector, GLOBEX, message, messages, ORDER, runOf, settled } from './collector.ts';
import { recordsConformance } from './records.ts';

/** What an implementation gives the suite to work with. */
export interface BusHarness {
  /** Within which an id counts once (B4). */
  readonly windowMs: number;
  /** Opens the bus; after `close`, opens it again on what was stored. */
  open(): Promise<Bus>;
  /** Moves the bus's clock. */
  advance(ms: number): void;
  dispose(): Promise<void>;
}

/** The promises of host/bus/bus.ts, held against any implementation. */
export function busConformance(name: string, start: () => Promise<BusHarness>): void {
  describe(`bus: ${name}`, () => {
    let harness: BusHarness;
    let bus: Bus;

    beforeEach(async () => {
      harness = await start();
      bus = await harness.open();
    });

    afterEach(async () => {
      await bus.close();
      await harness.dispose();
    });

    async function reopen(): Promise<void> {
      await bus.close();
      bus = await harness.open();
    }

    describe('publishing', () => {
      test('B1 what was published is there after the bus is opened again', async () => {
        const sent = messages(300);
        await Promise.all(sent.map((one) => bus.publish(ACME, [one])));
        await reopen();
        const collector = await Collector.start(bus, ACME, 1000);
        await collector.until(300);
        expect(new Set(collector.ids)).toEqual(new Set(sent.map(({ id }) => id)));
      });

      test('receipts are in the order of the messages', async () => {
        const sent = messages(20);
        const receipts = await bus.publish(ACME, sent);
        expect(receipts).toEqual(sent.map(({ id }) => ({ id, duplicate: false })));
      });

      test('publishing nothing resolves to no receipts', async () => {
        expect(await bus.publish(ACME, [])).toEqual([]);
      });

      test('an event arrives as it was sent: type, text and schedule', async () => {
        const sent = {
          id: 'tick-1',
          type: ORDER,
          json: '{"a":[1,2,{"b":null}]}',
          schedule: 'flow:nightly/0',
        };
        await bus.publish(ACME, [sent]);
        const first = await Collector.start(bus, ACME);
        await first.until(1);
        expect(first.at(0)).toMatchObject({ ...sent, attempt: 1 });
        await reopen();
        const second = await Collector.start(bus, ACME);
        await second.until(1);
        expect(second.at(0)).toMatchObject(sent);
      });

      test.each([
        ['quotes and backslashes', `a'b"c\\d;--`],
        ['emoji and combining marks', '👩‍👩‍👧 e\u0301'],
        ['right-to-left and zero-width characters', '\u202eabc\u200b\u2066'],
        ['the highest code point', '\u{10ffff}'],
        ['a line separator', 'a\u2028b\u2029'],
        ['a NUL', 'a\u0000b'],
        ['an unassigned character and a byte order mark', '\ufeff\uffff'],
      ])('an id and a text with %s come back unchanged', async (_what, text) => {
        const json = JSON.stringify({ text });
        await bus.publish(ACME, [{ id: text, type: ORDER, json }]);
        await reopen();
        const collector = await Collector.start(bus, ACME);
        await collector.until(1);
        expect(collector.at(0).id).toBe(text);
        expect(collector.at(0).json).toBe(json);
      });

      test('half a surrogate pair is refused, since two such ids would be stored as one', async () => {
        for (const one of [message('a\ud800'), message('a', '{"x":"\udc00"}')])
          await expect(bus.publish(ACME, [one])).rejects.toMatchObject({ code: 'event_invalid' });
      });

      test('events of 256 KiB come back whole', async () => {
        const sent = Array.from({ length: 12 }, (_, index) =>
          message(`large-${index}`, JSON.stringify({ index, text: 'é'.repeat(128 * 1024) })),
        );
        await bus.publish(ACME, sent);
        const collector = await Collector.start(bus, ACME, 5);
        collector.onDelivery = (delivery) => void collector.ack(delivery);
        await collector.until(12);
        expect(collector.deliveries.map(({ json }) => json)).toEqual(sent.map(({ json }) => json));
      });

      test('a closed bus refuses with bus_unavailable', async () => {
        await bus.close();
        await expect(bus.publish(ACME, [message('late')])).rejects.toMatchObject({ code: 'bus_unavailable' });
        await expect(bus.journals(['run'])).rejects.toMatchObject({ code: 'bus_unavailable' });
      });

      test('closing stores what was asked for before, and may be asked for twice', async () => {
        const asked = bus.publish(ACME, messages(50));
        await Promise.all([bus.close(), bus.close()]);
        expect(await asked).toHaveLength(50);
      });
    });

    describe('duplicates', () => {
      test('B4 an id comes once within the window, however it is sent', async () => {
        const twice = await bus.publish(ACME, [message('one'), message('one')]);
        expect(twice.map(({ duplicate }) => duplicate)).toEqual([false, true]);
        const races = await Promise.all(
          messages(10, 'race-').flatMap((one) => [bus.publish(ACME, [one]), bus.publish(ACME, [one])]),
        );
        expect(races.flat().filter(({ duplicate }) => duplicate)).toHaveLength(10);
        harness.advance(harness.windowMs - 1);
        expect(await bus.publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: true }]);
        const collector = await Collector.start(bus, ACME);
        await collector.until(11);
        await settled(bus);
        expect(collector.ids).toHaveLength(11);
      });

      test('B4 an id is a duplicate after its event was settled, and after the bus is opened again', async () => {
        await bus.publish(ACME, [message('one')]);
        const collector = await Collector.start(bus, ACME);
        await collector.until(1);
        await collector.ack(collector.at(0));
        expect(await bus.publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: true }]);
        await reopen();
        expect(await bus.publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: true }]);
      });

      test('B4 outside the window the same id is new again', async () => {
        await bus.publish(ACME, [message('one', '{"time":1}')]);
        harness.advance(harness.windowMs);
        expect(await bus.publish(ACME, [message('one', '{"time":2}')])).toEqual([
          { id: 'one', duplicate: false },
        ]);
        expect(await bus.publish(ACME, [message('one', '{"time":3}')])).toEqual([
          { id: 'one', duplicate: true },
        ]);
        const collector = await Collector.start(bus, ACME);
        await collector.until(2);
        expect(collector.deliveries.map(({ json }) => json)).toEqual(['{"time":1}', '{"time":2}']);
      });

      test('B4 the same id of another tenant is another event', async () => {
        await bus.publish(ACME, [message('one')]);
        expect(await bus.publish(GLOBEX, [message('one')])).toEqual([{ id: 'one', duplicate: false }]);
      });
    });

    describe('delivering', () => {
      test("a tenant's events come in the order they were stored", async () => {
        const collector = await Collector.start(bus, ACME, 7);
        collector.onDelivery = (delivery) => void collector.ack(delivery);
        const sent = messages(400);
        for (let from = 0; from < sent.length; from += 40)
          await Promise.all([
            bus.publish(ACME, sent.slice(from, from + 20)),
            bus.publish(ACME, sent.slice(from + 20, from + 40)),
          ]);
        await collector.until(400);
        const sequences = collector.deliveries.map(({ sequence }) => sequence);
        expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
        expect(collector.ids).toEqual(sent.map(({ id }) => id));
      });

      describe('in strict order', () => {
        const ordered = async (): Promise<Collector> => {
          const collector = new Collector();
          await collector.consume(bus, ACME, { maxInFlight: 100, ordered: true });
          return collector;
        };

        test('one event is in flight at a time, however many wait', async () => {
          await bus.publish(ACME, messages(20));
          const collector = await ordered();
          for (let n = 1; n <= 20; n += 1) {
            await collector.until(n);
            await settled(bus);
            expect(collector.ids).toHaveLength(n);
            if (n === 10) await bus.publish(ACME, messages(5, 'later-'));
            await collector.ack(collector.at(n - 1));
          }
          await collector.until(21);
          expect(collector.ids).toEqual([...messages(20).map(({ id }) => id), 'later-0']);
        });

        test('an event that was put off holds back those behind it, also those that come later', async () => {
          await bus.publish(ACME, messages(3));
          const collector = await ordered();
          await collector.until(1);
          await collector.nak(collector.at(0), 5000);
          await bus.publish(ACME, messages(2, 'later-'));
          await settled(bus);
          expect(collector.ids).toEqual(['event-0']);
          harness.advance(5000);
          await collector.until(2);
          await collector.nak(collector.at(1), 5000);
          await settled(bus);
          harness.advance(5000);
          for (let n = 3; n <= 7; n += 1) {
            await collector.until(n);
            await collector.ack(collector.at(n - 1));
          }
          expect(collector.ids).toEqual([
            'event-0',
            'event-0',
            'event-0',
            'event-1',
            'event-2',
            'later-0',
            'later-1',
          ]);
          expect(collector.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 1, 1, 1]);
        });

        test('the one that was put off comes first after a restart, too', async () => {
          await bus.publish(ACME, messages(3));
          const before = await ordered();
          await before.until(1);
          await before.ack(before.at(0));
          await before.until(2);
          await before.nak(before.at(1), 5000);
          await reopen();
          const after = await ordered();
          await settled(bus);
          expect(after.ids).toEqual([]);
          harness.advance(5000);
          await after.until(1);
          await after.ack(after.at(0));
          await after.until(2);
          expect(after.ids).toEqual(['event-1', 'event-2']);
        });

        test('another tenant is not held back', async () => {
          await bus.publish(ACME, messages(2));
          await bus.publish(GLOBEX, messages(2));
          const collector = await ordered();
          await collector.until(1);
          await collector.nak(collector.at(0), 60_000);
          const theirs = await Collector.start(bus, GLOBEX);
          await theirs.until(2);
          expect(collector.ids).toEqual(['event-0']);
        });
      });

      test('order holds where a backlog from before meets new events', async () => {
        await bus.publish(ACME, messages(50, 'old-'));
        const collector = await Collector.start(bus, ACME, 3);
        collector.onDelivery = (delivery) => void collector.ack(delivery);
        await Promise.all(messages(50, 'new-').map((one) => bus.publish(ACME, [one])));
        await collector.until(100);
        const expected = [...messages(50, 'old-'), ...messages(50, 'new-')].map(({ id }) => id);
        expect(collector.ids).toEqual(expected);
      });

      test('no more than maxInFlight are unsettled at a time', async () => {
        await bus.publish(ACME, messages(10));
        const collector = await Collector.start(bus, ACME, 4);
        await collector.until(4);
        await bus.publish(ACME, messages(10, 'more-'));
        await settled(bus);
        expect(collector.deliveries).toHaveLength(4);
        await collector.ack(collector.at(0));
        await collector.ack(collector.at(2));
        await collector.until(6);
        await settled(bus);
        expect(collector.deliveries).toHaveLength(6);
      });

      test('B2 a consumer that never settles stops no other tenant', async () => {
        const stuck = await Collector.start(bus, ACME, 1);
        await bus.publish(ACME, messages(2000));
        const other = await Collector.start(bus, GLOBEX, 1);
        other.onDelivery = (delivery) => void other.ack(delivery);
        await bus.publish(GLOBEX, messages(100));
        await other.until(100);
        expect(stuck.deliveries).toHaveLength(1);
      });

      test("a consumer hears nothing of another tenant's events", async () => {
        const collector = await Collector.start(bus, ACME);
        await bus.publish(GLOBEX, messages(20, 'theirs-'));
        await bus.publish(ACME, [message('ours')]);
        await settled(bus);
        expect(collector.ids).toEqual(['ours']);
      });

      test('B2 what was not settled is delivered again after the bus is opened again, and says so', async () => {
        const first = await Collector.start(bus, ACME);
        await bus.publish(ACME, messages(3));
        await first.until(3);
        expect(first.deliveries.map(({ redelivered }) => redelivered)).toEqual([false, false, false]);
        await first.ack(first.at(1));
        await reopen();
        await bus.publish(ACME, [message('fresh')]);
        const second = await Collector.start(bus, ACME);
        await second.until(3);
        expect(second.deliveries.map(({ id, redelivered }) => [id, redelivered])).toEqual([
          ['event-0', true],
          ['event-2', true],
          ['fresh', false],
        ]);
      });

      test('B2 the next consumer is given what a stopped one did not settle', async () => {
        const first = await Collector.start(bus, ACME, 2);
        await bus.publish(ACME, messages(4));
        await first.until(2);
        await first.consumer.stop();
        await first.ack(first.at(0));
        await settled(bus);
        expect(first.deliveries).toHaveLength(2);
        const second = await Collector.start(bus, ACME);
        await second.until(3);
        expect(second.ids).toEqual(['event-1', 'event-2', 'event-3']);
        expect(second.at(0).redelivered).toBe(true);
      });

      test('a second consumer of a tenant is refused while the first one runs', async () => {
        const first = await Collector.start(bus, ACME);
        await expect(Collector.start(bus, ACME)).rejects.toMatchObject({ code: 'bus_consumer_taken' });
        await first.consumer.stop();
        await Collector.start(bus, ACME);
      });

      test.each([0, -1, 1.5, Number.NaN])('maxInFlight %d is refused', async (maxInFlight) => {
        await expect(Collector.start(bus, ACME, maxInFlight)).rejects.toThrow(RangeError);
      });
    });

    describe('settling', () => {
      test('an acknowledged event does not come again', async () => {
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, messages(5));
        await collector.until(5);
        await Promise.all(
          collector.deliveries.map((delivery) => collector.ack(delivery, [runOf(delivery.id)])),
        );
        await reopen();
        const after = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('last')]);
        await after.until(1);
        expect(after.ids).toEqual(['last']);
      });

      test('settling twice changes nothing', async () => {
        const heard: TappedMessage[] = [];
        bus.tap((tapped) => heard.push(...tapped));
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one')]);
        await collector.until(1);
        const one = collector.at(0);
        await Promise.all([collector.ack(one, [runOf('r')]), collector.ack(one, [runOf('r')])]);
        await collector.nak(one, 0);
        await collector.dead(one, 'late');
        harness.advance(1000);
        await settled(bus);
        expect(collector.deliveries).toHaveLength(1);
        expect(heard.map(({ kind }) => kind)).toEqual(['event', 'result']);
      });

      test('nak delivers again when the delay is over, not before, with the attempt counted', async () => {
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one')]);
        await collector.until(1);
        await collector.nak(collector.at(0), 5000);
        harness.advance(4990);
        await settled(bus);
        expect(collector.deliveries).toHaveLength(1);
        harness.advance(20);
        await collector.until(2);
        expect(collector.at(1)).toMatchObject({ id: 'one', attempt: 2, redelivered: true });
        await collector.nak(collector.at(1), 0);
        harness.advance(20);
        await collector.until(3);
        expect(collector.at(2)).toMatchObject({ id: 'one', attempt: 3, redelivered: true });
      });

      test('a delay and its attempts are kept when the bus is opened again', async () => {
        const first = await Collector.start(bus, ACME);
        await bus.publish(ACME, messages(2));
        await first.until(2);
        await first.nak(first.at(0), 60_000);
        await reopen();
        const second = await Collector.start(bus, ACME);
        await second.until(1);
        await settled(bus);
        expect(second.ids).toEqual(['event-1']);
        harness.advance(60_020);
        await second.until(2);
        expect(second.at(1)).toMatchObject({ id: 'event-0', attempt: 2, redelivered: true });
      });

      test('a delayed event holds up none of those behind it', async () => {
        const collector = await Collector.start(bus, ACME, 1);
        await bus.publish(ACME, messages(3));
        await collector.until(1);
        await collector.nak(collector.at(0), 60_000);
        await collector.until(2);
        await collector.ack(collector.at(1));
        await collector.until(3);
        expect(collector.ids).toEqual(['event-0', 'event-1', 'event-2']);
      });

      test('retries come by their due time, and are not starved by new events', async () => {
        const collector = await Collector.start(bus, ACME, 3);
        await bus.publish(ACME, messages(3));
        await collector.until(3);
        await Promise.all([
          collector.nak(collector.at(0), 3000),
          collector.nak(collector.at(1), 1000),
          collector.nak(collector.at(2), 2000),
        ]);
        await bus.publish(ACME, messages(10, 'new-'));
        await collector.until(6);
        harness.advance(5000);
        await settled(bus);
        await Promise.all(collector.deliveries.slice(3).map((delivery) => collector.ack(delivery)));
        await collector.until(9);
        expect(collector.ids.slice(6)).toEqual(['event-1', 'event-2', 'event-0']);
      });

      test.each([Number.NEGATIVE_INFINITY, -5, 0.25])(
        'a delay of %d ms is taken for none',
        async (delayMs) => {
          const collector = await Collector.start(bus, ACME);
          await bus.publish(ACME, [message('one')]);
          await collector.until(1);
          await collector.nak(collector.at(0), delayMs);
          harness.advance(20);
          await collector.until(2);
        },
      );

      test('a place is free as soon as settle was called', async () => {
        const collector = await Collector.start(bus, ACME, 1);
        const heldBack: Promise<void>[] = [];
        collector.onDelivery = (delivery) => {
          heldBack.push(collector.ack(delivery));
        };
        await bus.publish(ACME, messages(25));
        await collector.until(25);
        await Promise.all(heldBack);
      });
    });

    describe('journal', () => {
      test('B3 what was recorded with a publish is found, in order, also after the bus is opened again', async () => {
        const entries = [2, 0, 1].map((ordinal) => ({ runId: 'run-1', ordinal, entry: `{"n":${ordinal}}` }));
        await bus.publish(ACME, [message('child')], entries);
        const expected = [0, 1, 2].map((ordinal) => ({ runId: 'run-1', ordinal, entry: `{"n":${ordinal}}` }));
        expect((await bus.journals(['run-1'])).get('run-1')).toEqual(expected);
        await reopen();
        expect((await bus.journals(['run-1'])).get('run-1')).toEqual(expected);
      });

      test('B3 a journal alone is recorded too', async () => {
        expect(await bus.publish(ACME, [], [{ runId: 'run-1', ordinal: 0, entry: '{}' }])).toEqual([]);
        expect([...(await bus.journals(['run-1'])).keys()]).toEqual(['run-1']);
      });

      test('B3 an entry with the same ordinal replaces the one before', async () => {
        await bus.publish(ACME, [], [{ runId: 'run-1', ordinal: 0, entry: '"old"' }]);
        await bus.publish(ACME, [], [{ runId: 'run-1', ordinal: 0, entry: '"new"' }]);
        expect((await bus.journals(['run-1'])).get('run-1')).toEqual([
          { runId: 'run-1', ordinal: 0, entry: '"new"' },
        ]);
      });

      test('runs without entries are left out', async () => {
        await bus.publish(ACME, [], [{ runId: 'known', ordinal: 0, entry: '{}' }]);
        expect([...(await bus.journals(['unknown', 'known', 'other'])).keys()]).toEqual(['known']);
        expect((await bus.journals([])).size).toBe(0);
      });

      test('B3 a redelivered event finds the journal of its run', async () => {
        const first = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one')]);
        await first.until(1);
        await bus.publish(ACME, [message('effect')], [{ runId: 'run-of-one', ordinal: 0, entry: '"done"' }]);
        await first.nak(first.at(0), 0);
        harness.advance(20);
        await first.until(3);
        expect((await bus.journals(['run-of-one'])).get('run-of-one')).toHaveLength(1);
      });

      test('the journal of a run that is finished is not found by a later event of the same id', async () => {
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one')], [{ runId: 'run-1', ordinal: 0, entry: '"done"' }]);
        await collector.until(1);
        await collector.ack(collector.at(0), [runOf('run-1')]);
        expect((await bus.journals(['run-1'])).size).toBe(0);
      });
    });

    describe('dead letters', () => {
      test('B5 a dead letter is told with its event, reason, attempts and journal, and comes no more', async () => {
        const heard: TappedMessage[] = [];
        bus.tap((tapped) => heard.push(...tapped));
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one', '{"payload":{"n":1}}')]);
        await collector.until(1);
        await collector.nak(collector.at(0), 0);
        harness.advance(20);
        await collector.until(2);
        await collector.dead(collector.at(1), 'the flow "x" failed', [runOf('run-1', 'error')]);
        const letter = heard.find(({ kind }) => kind === 'dead_letter');
        expect(JSON.parse(letter?.json ?? '')).toEqual({
          event: { payload: { n: 1 } },
          reason: 'the flow "x" failed',
          attempts: 2,
          runs: [{ run_id: 'run-1', flow: 'handle', status: 'error', journal: [{ node: 'first' }] }],
        });
        await reopen();
        const after = await Collector.start(bus, ACME);
        harness.advance(1000);
        await settled(bus);
        expect(after.deliveries).toEqual([]);
      });

      test('B5 the journal of a dead run stays, so that a replay continues after it', async () => {
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('one')], [{ runId: 'run-1', ordinal: 0, entry: '"done"' }]);
        await collector.until(1);
        await collector.dead(collector.at(0), 'no', [runOf('run-1', 'error')]);
        expect((await bus.journals(['run-1'])).size).toBe(1);
      });
    });

    recordsConformance({
      bus: () => bus,
      reopen,
      advance: (ms) => harness.advance(ms),
      windowMs: () => harness.windowMs,
    });

    describe('tap', () => {
      test('hears events, results and dead letters in commit order, duplicates left out', async () => {
        const heard: string[] = [];
        bus.tap((tapped) => {
          for (const { kind, tenant, type, json } of tapped)
            heard.push(`${kind} ${tenant} ${type} ${json.slice(0, 40)}`);
        });
        const collector = await Collector.start(bus, ACME);
        await bus.publish(ACME, [message('a'), message('a'), message('b')]);
        await bus.publish(GLOBEX, [message('c')]);
        await collector.until(2);
        await collector.ack(collector.at(0), [runOf('r1'), runOf('r2', 'error')]);
        await collector.dead(collector.at(1), 'no');
        expect(heard).toEqual([
          'event acme order.created {"id":"a"}',
          'event acme order.created {"id":"b"}',
          'event globex order.created {"id":"c"}',
          'result acme order.created {"run_id":"r1","status":"ok"}',
          'result acme order.created {"run_id":"r2","status":"error"}',
          'dead_letter acme order.created {"event":{"id":"b"},"reason":"no","attem',
        ]);
      });

      test('a stopped listener hears nothing more, the others go on', async () => {
        const heard: number[] = [];
        const listener = (who: number) => () => {
          heard.push(who);
        };
        const stop = bus.tap(listener(1));
        bus.tap(listener(2));
        await bus.publish(ACME, [message('a')]);
        stop();
        stop();
        await bus.publish(ACME, [message('b')]);
        expect(heard).toEqual([1, 2, 2]);
      });
    });

    test('errors of the bus are retryable where trying again may help', async () => {
      await bus.close();
      const error: unknown = await bus.publish(ACME, [message('x')]).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(GtpackError);
      expect(error).toMatchObject({ retryable: true, status: 503 });
    });
  });
}
