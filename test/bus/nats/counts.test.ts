import { afterEach, expect, test } from 'vitest';
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
