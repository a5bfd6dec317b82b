import { afterEach, expect, test } from 'vitest';
import { ACME, Collector, message, runOf } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

describeNats('an event whose results are more together than a message may be', () => {
  test('is settled, and each result is told whole', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const client = await room.client();
    const told: unknown[] = [];
    client.subscribe(`greentic.events.${env}.acme.*.*.result`, {
      callback: (_error, result) => void told.push(JSON.parse(result.string())),
    });
    await client.flush();
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, [message('large')]);
    await collector.until(1);
    const results = Array.from({ length: 6 }, (_, at) => ({
      run_id: `run-${at}`,
      status: 'ok',
      output: 'x'.repeat(250 * 1024),
    }));
    const runs = results.map((result) => ({
      ...runOf(result.run_id),
      resultJson: JSON.stringify(result),
    }));
    await collector.ack(collector.at(0), runs);
    await expect.poll(() => told).toHaveLength(6);
    expect(new Set(told)).toEqual(new Set(results));
    expect((await bus.counts()).get(ACME)?.pending).toBe(0);
  });
});
