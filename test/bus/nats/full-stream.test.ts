import { afterEach, expect, test } from 'vitest';
import { ACME, Collector, message, runOf } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

const LONG = 'x'.repeat(8000);

describeNats('a stream that is full', () => {
  test('B1 refuses events and keeps those it took; once its bound is raised each has its one result, and new ones come', async () => {
    const env = room.env();
    const bus = await room.open(env, { maxBytes: 100_000 });
    const accepted: string[] = [];
    let refusal: unknown;
    while (refusal === undefined) {
      const id = `event-${accepted.length}`;
      const publishing = bus.publish(ACME, [message(id, JSON.stringify({ id, text: LONG }))]);
      refusal = await publishing.then(
        () => void accepted.push(id),
        (error: unknown) => error,
      );
    }
    expect(refusal).toMatchObject({
      code: 'bus_disk_full',
      message: expect.stringMatching(/Raise bus\.max_bytes/),
    });
    expect(accepted.length).toBeGreaterThan(5);
    const collector = await Collector.start(bus, ACME);
    await collector.until(accepted.length);
    // Nor is there room for their results.
    let settled = 0;
    const settling = collector.deliveries.map(async (delivery) => {
      const resultJson = JSON.stringify({ id: delivery.id, text: LONG });
      await collector.ack(delivery, [{ ...runOf(delivery.id), resultJson }]);
      settled += 1;
    });
    const another = bus.publish(ACME, [message('while-full', JSON.stringify({ text: LONG }))]);
    await expect(another).rejects.toMatchObject({ code: 'bus_disk_full' });
    expect(settled).toBeLessThan(accepted.length);

    const larger = await room.open(env, { maxBytes: 10_000_000, instance: 'other' });
    await Promise.all(settling);
    await larger.publish(ACME, [message('after')]);
    await collector.until(accepted.length + 1);
    expect(collector.ids).toEqual([...accepted, 'after']);
    const stored = await Promise.all(accepted.map((id) => bus.runs.get(id)));
    expect(stored.map((run) => run?.status)).toEqual(accepted.map(() => 'ok'));
  });
});
