import { afterEach, expect, test, vi } from 'vitest';
import type { Connection } from '../../../host/bus/nats/connection.ts';
import { NatsCounts, type Waiting } from '../../../host/bus/nats/counts.ts';
import type { EventMessages } from '../../../host/bus/nats/event-message.ts';
import { Layout } from '../../../host/bus/nats/layout.ts';
import { parseEnvName, type TenantId } from '../../../host/event/names.ts';
import { ACME, Collector, message, messages } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

describeNats('what waits', () => {
  test('is asked of the server once, however many ask for it at a time and soon after', async () => {
    const bus = await room.open(room.env(), { lookMs: 600_000 });
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, messages(3));
    await collector.until(3);
    const client = await room.client();
    let asked = 0;
    client.subscribe('$JS.API.CONSUMER.LIST.>', {
      callback: () => {
        asked += 1;
      },
    });
    await client.flush();
    const counts = await Promise.all(Array.from({ length: 50 }, () => bus.counts()));
    expect(new Set(counts.map((one) => one.get(ACME)?.pending))).toEqual(new Set([3]));
    await client.flush();
    expect(asked).toBe(1);
    await collector.ack(collector.at(0));
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(2);
  });

  test('and what died is counted letter by letter only once one came or went', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, messages(2));
    await collector.until(2);
    await collector.dead(collector.at(0), 'no');
    const client = await room.client();
    let listed = 0;
    client.subscribe(`$JS.API.STREAM.INFO.greentic-dlq-${env}`, {
      callback: (_error, { data }) => {
        if (data.length > 2) listed += 1;
      },
    });
    await client.flush();
    const dead = async () => (await bus.counts()).get(ACME)?.deadLetters;
    expect(await dead()).toBe(1);
    await bus.publish(ACME, [message('other')]);
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(2);
    await client.flush();
    expect([await dead(), listed]).toEqual([1, 1]);
    await collector.dead(collector.at(1), 'no');
    await expect.poll(dead).toBe(2);
    await client.flush();
    expect(listed).toBe(2);
  });
});

/** A server of the test's own: one tenant waits, behind results of some lengths. */
function counting(subjects: { readonly total: number; readonly state: object }) {
  const waiting = Promise.withResolvers<ReadonlyMap<TenantId, Waiting>>();
  const asked: string[] = [];
  const filters: (string | undefined)[] = [];
  let looks = 0;
  const connection = {
    checkReady: () => undefined,
    request: async (subject: string, body: string) => {
      asked.push(`${subject} ${body}`);
      const answer = subject.includes('MSG.GET') ? { error: { err_code: 10037 } } : subjects;
      return { string: () => JSON.stringify(answer) };
    },
    manager: {
      streams: { info: async () => ({ state: { messages: 0, first_seq: 0, last_seq: 0 } }) },
      consumers: {
        add: async (_stream: string, { filter_subject: filter }: { filter_subject?: string }) => {
          filters.push(filter);
          return { name: 'one', num_pending: 2 };
        },
        delete: async () => true,
      },
    },
  };
  const counts = new NatsCounts({
    connection: connection as unknown as Connection,
    layout: new Layout(parseEnvName('test')),
    messages: { decode: () => undefined } as unknown as EventMessages,
    waiting: () => {
      looks += 1;
      return waiting.promise;
    },
  });
  const ready = () => waiting.resolve(new Map([[ACME, { pending: 100, out: 0, given: 7, floor: 7 }]]));
  return { counts, ready, asked, filters, looks: () => looks };
}

test('a server that takes long to count is not asked again meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const { counts, ready, looks } = counting({ total: 0, state: {} });
    const first = counts.counts();
    vi.advanceTimersByTime(5000);
    const second = counts.counts();
    ready();
    expect((await second).get(ACME)?.pending).toBe(100);
    expect(await first).toBe(await second);
    expect(looks()).toBe(1);
    await counts.counts();
    expect(looks()).toBe(2);
  } finally {
    vi.useRealTimers();
  }
});

test('of types without number, which senders may choose, one answer is read and no more', async () => {
  const seen = { 'greentic.events.test.acme.a.result': 1 };
  const some = counting({ total: 1, state: { subjects: seen } });
  some.ready();
  expect((await some.counts.counts()).get(ACME)?.pending).toBe(98);
  expect(some.filters).toEqual(['greentic.events.test.acme.*.result']);
  const many = counting({ total: 1_000_000, state: { subjects: seen } });
  many.ready();
  // Results of every length that a type may have.
  expect((await many.counts.counts()).get(ACME)?.pending).toBe(84);
  expect(many.filters).toHaveLength(8);
  expect(many.asked.filter((text) => text.includes('STREAM.INFO'))).toHaveLength(1);
});
