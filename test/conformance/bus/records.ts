import { describe, expect, test } from 'vitest';
import type { Bus, EventMessage, TappedMessage } from '../../../host/bus/bus.ts';
import type {
  DeadLetterHead,
  FinishedRunHead,
  LetterQuery,
  LetterRef,
  Page,
} from '../../../host/bus/records.ts';
import { parseEventType, type TenantId } from '../../../host/event/names.ts';
import { ACME, Collector, GLOBEX, message, messages, ORDER, runOf, settled } from './collector.ts';

/** The suite's bus, opened anew for each test. */
export interface RecordsHarness {
  bus(): Bus;
  reopen(): Promise<void>;
  advance(ms: number): void;
  windowMs(): number;
}

async function all<T>(list: (after: { readonly after?: string }) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let after: { readonly after?: string } = {};
  for (;;) {
    const page = await list(after);
    items.push(...page.items);
    if (page.next === null) return items;
    after = { after: page.next };
  }
}

/** The promises of host/bus/records.ts. */
export function recordsConformance({ bus, reopen, advance, windowMs }: RecordsHarness): void {
  /** Publishes an event with a journal, and buries it. */
  async function bury(id: string, tenant: TenantId = ACME): Promise<DeadLetterHead> {
    const collector = await Collector.start(bus(), tenant);
    await bus().publish(tenant, [message(id)], [{ runId: `run-${id}`, ordinal: 0, entry: '"done"' }]);
    await collector.until(1);
    await collector.dead(collector.at(0), 'no', [runOf(`run-${id}`, 'error')]);
    await collector.consumer.stop();
    const [letter] = await letters({ id, tenant });
    if (letter === undefined) throw new Error('nothing was buried');
    return letter;
  }
  const letters = (query: { readonly id?: string; readonly tenant?: TenantId }): Promise<DeadLetterHead[]> =>
    all((after) => bus().deadLetters.list({ order: 'newest', limit: 100, ...query, ...after }));
  const ids = async (query: object = {}): Promise<string[]> => (await letters(query)).map(({ id }) => id);
  const again = async (letter: LetterRef, fromStart = false) =>
    (await bus().deadLetters.replay(letter, { fromStart })).outcome;

  describe('dead letters, as an operator sees them', () => {
    test('B5 one is listed and shown with its event, reason, attempts and runs, also after the bus is opened again', async () => {
      const letter = await bury('one');
      const { position, storedAt, diedAt } = letter;
      const head = {
        tenant: 'acme',
        position,
        id: 'one',
        type: 'order.created',
        reason: 'no',
        attempts: 1,
        storedAt,
        diedAt,
        runs: [{ runId: 'run-one', flow: 'handle', status: 'error', flowDigest: 'f00d' }],
      };
      expect(letter).toEqual(head);
      expect(diedAt).toBeGreaterThanOrEqual(storedAt);
      await reopen();
      expect(await letters({})).toEqual([head]);
      const runs = '[{"run_id":"run-one","flow":"handle","status":"error","journal":[{"node":"first"}]}]';
      const whole = await bus().deadLetters.get(letter);
      expect(whole).toMatchObject({ ...head, eventJson: '{"id":"one"}' });
      expect(JSON.parse(whole?.runsJson ?? '')).toEqual(JSON.parse(runs));
      expect(await bus().deadLetters.get({ tenant: GLOBEX, position })).toBeNull();
    });

    test('they come in pages by the time of death, of a tenant, a type, an id or since a time', async () => {
      const collector = await Collector.start(bus(), ACME, 1000);
      const other = parseEventType('order.paid');
      const sent: EventMessage[] = messages(230).map((one, at) =>
        at % 2 === 0 ? one : { ...one, type: other },
      );
      await bus().publish(ACME, sent);
      await collector.until(230);
      const burials: Promise<void>[] = [];
      for (const delivery of collector.deliveries.slice(0, 115)) burials.push(collector.dead(delivery, 'no'));
      await Promise.all(burials.splice(0));
      advance(1000);
      for (const delivery of collector.deliveries.slice(115)) burials.push(collector.dead(delivery, 'no'));
      await Promise.all(burials);
      await bury('theirs', GLOBEX);
      const list = (query: LetterQuery) => bus().deadLetters.list(query);
      const oldest = (query: object) =>
        all((after) => list({ order: 'oldest', limit: 7, ...query, ...after })).then((found) =>
          found.map(({ id }) => id),
        );
      const wanted = sent.map(({ id }) => id);
      expect(await oldest({ tenant: ACME })).toEqual(wanted);
      expect(await oldest({})).toEqual([...wanted, 'theirs']);
      expect(await ids({ tenant: ACME })).toEqual(wanted.toReversed());
      expect(await oldest({ type: other })).toEqual(wanted.filter((_, at) => at % 2 === 1));
      expect(await ids({ id: 'event-9' })).toEqual(['event-9']);
      expect(await ids({ id: 'event-9', tenant: GLOBEX })).toEqual([]);
      const [late] = await letters({ id: 'event-115' });
      expect(await oldest({ tenant: ACME, since: late?.diedAt ?? 0 })).toEqual(wanted.slice(115));
      expect((await list({ order: 'newest', limit: 3 })).items).toHaveLength(3);
    });

    test('B3 B5 a replay delivers the event again under its id, marked so that its journals are looked for', async () => {
      const letter = await bury('one');
      const collector = await Collector.start(bus(), ACME);
      const heard: TappedMessage[] = [];
      bus().tap((tapped) => heard.push(...tapped));
      expect(await bus().deadLetters.replay(letter, { fromStart: false })).toEqual({
        outcome: 'replayed',
        runs: letter.runs,
      });
      await collector.until(1);
      expect(collector.at(0)).toMatchObject({
        id: 'one',
        type: ORDER,
        json: '{"id":"one"}',
        attempt: 1,
        redelivered: true,
      });
      expect((await bus().journals(['run-one'])).get('run-one')).toHaveLength(1);
      expect(heard).toMatchObject([{ kind: 'event', json: '{"id":"one"}' }]);
      expect(await letters({})).toEqual([]);
      await collector.ack(collector.at(0), [runOf('run-one')]);
      expect(await ids()).toEqual([]);
    });

    test('B3 a replay waits on the bus like any event, and says what it is after the bus is opened again', async () => {
      const letter = await bury('one');
      expect(await again(letter)).toBe('replayed');
      await bus().publish(ACME, [message('behind')]);
      await reopen();
      const collector = await Collector.start(bus(), ACME);
      await collector.until(2);
      expect(collector.ids).toEqual(['one', 'behind']);
      expect(collector.at(0)).toMatchObject({ redelivered: true, attempt: 1 });
    });

    test('B3 a replay says what it is also where it waited behind a backlog', async () => {
      const letter = await bury('one');
      const collector = await Collector.start(bus(), ACME, 1);
      await bus().publish(ACME, messages(3000, 'many-'));
      expect(await again(letter)).toBe('replayed');
      collector.onDelivery = (delivery) => void collector.ack(delivery);
      await collector.ack(collector.at(0));
      await collector.until(3001);
      expect(collector.deliveries.filter(({ redelivered }) => redelivered).map(({ id }) => id)).toEqual([
        'one',
      ]);
    });

    test('B3 the journal of a replayed event stays until it is settled, however old it is', async () => {
      const letter = await bury('old');
      advance(20 * windowMs());
      await settled(bus());
      expect(await again(letter)).toBe('replayed');
      advance(300_000);
      await settled(bus());
      expect((await bus().journals(['run-old'])).size).toBe(1);
    });

    test('a replay from the start forgets the journals: its runs do everything again', async () => {
      const letter = await bury('one');
      const collector = await Collector.start(bus(), ACME);
      expect(await again(letter, true)).toBe('replayed');
      await collector.until(1);
      expect(collector.at(0)).toMatchObject({ id: 'one', attempt: 1, redelivered: false });
      expect((await bus().journals(['run-one'])).size).toBe(0);
    });

    test('B5 a dead letter is replayed once, however often it is asked for', async () => {
      const letter = await bury('one');
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => again(letter)));
      expect(outcomes.toSorted()).toEqual([...Array<string>(9).fill('gone'), 'replayed']);
      const collector = await Collector.start(bus(), ACME);
      await collector.until(1);
      await settled(bus());
      expect(collector.ids).toEqual(['one']);
    });

    test('B5 what was replayed and fails again is a dead letter again, and can be replayed again', async () => {
      const first = await bury('one');
      await again(first);
      const collector = await Collector.start(bus(), ACME);
      await collector.until(1);
      await collector.dead(collector.at(0), 'still not');
      const [second] = await letters({});
      expect(second).toMatchObject({ id: 'one', reason: 'still not', attempts: 1 });
      expect(await again(first)).toBe('gone');
      expect(await again(second ?? first)).toBe('replayed');
    });

    test('B4 from the replay on its id is a duplicate for the whole window', async () => {
      const letter = await bury('one');
      advance(windowMs() - 1);
      await again(letter);
      advance(windowMs() - 1);
      expect(await bus().publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: true }]);
    });

    test('B4 it is refused where a later event of the same id was stored, and dropping it leaves that one its journal', async () => {
      const letter = await bury('one');
      advance(windowMs());
      expect(await bus().publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: false }]);
      expect(await again(letter)).toBe('superseded');
      expect(await again(letter, true)).toBe('superseded');
      expect(await ids()).toEqual(['one']);
      expect(await bus().deadLetters.drop(letter)).toBe(true);
      expect((await bus().journals(['run-one'])).size).toBe(1);
    });

    test('dropping one forgets it with its journal, and nothing of others', async () => {
      const dropped = await bury('one');
      await bury('two');
      await bury('one', GLOBEX);
      expect(await bus().deadLetters.drop({ ...dropped, tenant: GLOBEX, position: 99 })).toBe(false);
      expect(await bus().deadLetters.drop(dropped)).toBe(true);
      expect(await bus().deadLetters.drop(dropped)).toBe(false);
      expect(await again(dropped)).toBe('gone');
      expect((await bus().journals(['run-one', 'run-two'])).has('run-two')).toBe(true);
      expect((await ids()).toSorted()).toEqual(['one', 'two']);
    });

    test('dropping one whose runs no other event shares leaves nothing of its journal', async () => {
      const dropped = await bury('one');
      await bus().deadLetters.drop(dropped);
      expect((await bus().journals(['run-one'])).size).toBe(0);
    });

    test('an alert is published with the burial, and not where the event was settled before', async () => {
      const collector = await Collector.start(bus(), ACME);
      const heard: string[] = [];
      bus().tap((tapped) => {
        for (const { kind, type } of tapped) heard.push(`${kind} ${type}`);
      });
      await bus().publish(ACME, [message('one')]);
      await collector.until(1);
      const alert = { ...message('alert'), type: parseEventType('host.dead_letter') };
      await collector.dead(collector.at(0), 'no', [], alert);
      await collector.dead(collector.at(0), 'no', [], { ...alert, id: 'twice' });
      await collector.until(2);
      await settled(bus());
      expect(collector.ids).toEqual(['one', 'alert']);
      expect(heard).toEqual(['event order.created', 'dead_letter order.created', 'event host.dead_letter']);
    });
  });

  describe('finished runs', () => {
    async function finish(id: string, tenant: TenantId, runs: readonly Parameters<typeof runOf>[]) {
      const collector = await Collector.start(bus(), tenant);
      await bus().publish(tenant, [message(id)]);
      await collector.until(1);
      await collector.ack(
        collector.at(0),
        runs.map(([runId, status]) => runOf(runId, status)),
      );
      await collector.consumer.stop();
    }
    const runs = (query: object = {}): Promise<FinishedRunHead[]> =>
      all((after) => bus().runs.list({ limit: 2, ...query, ...after }));
    const names = async (query: object): Promise<string[]> => (await runs(query)).map(({ runId }) => runId);

    test('one is listed and shown with its event, times, result and journal', async () => {
      await finish('one', ACME, [['run-1', 'ok']]);
      await reopen();
      const [head] = await runs();
      expect(head).toMatchObject({
        tenant: 'acme',
        runId: 'run-1',
        flow: 'handle',
        status: 'ok',
        eventId: 'one',
        eventType: 'order.created',
        attempts: 1,
        durationMs: 7,
      });
      expect(await bus().runs.get('run-1')).toEqual({
        ...head,
        resultJson: '{"run_id":"run-1","status":"ok"}',
        journalJson: '[{"node":"first"}]',
      });
      expect(await bus().runs.get('run-2')).toBeNull();
    });

    test('they come in pages, the newest first, of a tenant, a flow, a status or an event', async () => {
      await finish('a', ACME, [
        ['a-1', 'ok'],
        ['a-2', 'error'],
      ]);
      await finish('b', GLOBEX, [['b-1', 'ok']]);
      await finish('c', ACME, [
        ['c-1', 'ok'],
        ['c-2', 'ok'],
      ]);
      expect(await names({})).toEqual(['c-2', 'c-1', 'b-1', 'a-2', 'a-1']);
      expect(await names({ tenant: ACME })).toEqual(['c-2', 'c-1', 'a-2', 'a-1']);
      expect(await names({ status: 'error' })).toEqual(['a-2']);
      expect(await names({ flow: 'other' })).toEqual([]);
      expect(await names({ tenant: ACME, eventId: 'a' })).toEqual(['a-2', 'a-1']);
    });

    test('a run that failed and was replayed is shown as it ended last', async () => {
      const letter = await bury('one');
      await again(letter);
      const collector = await Collector.start(bus(), ACME);
      await collector.until(1);
      await collector.ack(collector.at(0), [runOf('run-one')]);
      expect((await runs()).map(({ status }) => status)).toEqual(['ok', 'error']);
      expect(await bus().runs.get('run-one')).toMatchObject({ status: 'ok' });
    });
  });

  test('a closed bus refuses to show or mend anything, with bus_unavailable', async () => {
    await bus().close();
    const letter = { tenant: ACME, position: 1 };
    for (const refused of [
      bus().deadLetters.list({ order: 'newest', limit: 1 }),
      bus().deadLetters.get(letter),
      again(letter),
      bus().deadLetters.drop(letter),
      bus().runs.list({ limit: 1 }),
      bus().runs.get('run'),
    ])
      await expect(refused).rejects.toMatchObject({ code: 'bus_unavailable' });
  });
}
