import { expect, test } from 'vitest';
import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { openNatsBus } from '../../../host/bus/nats/open.ts';
import { parkedRuns, RESUME_EVENT } from '../../../host/bus/parked.ts';
import { GtpackError } from '../../../host/errors.ts';
import { parseEventType } from '../../../host/event/names.ts';
import { ACME, Collector, message } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom, optionsOf } from '../../nats/fixture.ts';

const room = NatsRoom.use();

describeNats('a run that is parked on a real server', () => {
  test('is parked by another host where its own died between the settlement and the parking', async () => {
    const options = { ...optionsOf(room.server.url, room.env()), ackWaitMs: 1000, lookMs: 100 };
    const first = await NatsBus.open(options);
    first.parked = {
      count: async () => 0,
      park: async () => {
        throw new GtpackError('bus_unavailable', 'The host dies here.', { retryable: false });
      },
    };
    await first.publish(ACME, [message('one')]);
    const dying = await Collector.start(first, ACME);
    await dying.until(1);
    const delivery = dying.at(0);
    const run = { id: `run.${delivery.sequence}`, dueAt: 5, runId: 'run', state: '{"a":1}' };
    const parking = { runs: [run], max: 10, delayMs: 60_000 };
    await expect(dying.consumer.settle({ kind: 'ack', delivery, runs: [], parking })).rejects.toMatchObject({
      code: 'bus_unavailable',
    });
    await first.close();

    const second = await openNatsBus(options);
    try {
      const collector = await Collector.start(second, ACME);
      const queue = { ...parkedRuns(ACME), type: RESUME_EVENT };
      await expect
        .poll(async () => (await second.timers.due(queue, 10, 10)).timers, { timeout: 20_000 })
        .toMatchObject([{ id: run.id, payload: run.state, dueAt: 5 }]);
      expect(collector.deliveries).toEqual([]);
    } finally {
      await second.close();
    }
  });

  test('waits with its event where the settlement would be larger than a message may be', async () => {
    const bus = await openNatsBus(optionsOf(room.server.url, room.env()));
    try {
      await bus.publish(ACME, [message('one')]);
      const collector = await Collector.start(bus, ACME);
      await collector.until(1);
      const delivery = collector.at(0);
      const run = { id: `run.${delivery.sequence}`, dueAt: 5, runId: 'run', state: '"'.repeat(1024 * 1024) };
      const parking = { runs: [run], max: 10, delayMs: 50 };
      await collector.consumer.settle({ kind: 'ack', delivery, runs: [], parking });
      expect(await bus.timers.queues()).toEqual([]);
      await collector.until(2);
      expect(collector.at(1)).toMatchObject({ id: 'one', attempt: 2 });
    } finally {
      await bus.close();
    }
  });

  test('and waits for an event, is known to every host by the time that it looks', async () => {
    const options = optionsOf(room.server.url, room.env());
    const [one, other] = [await openNatsBus(options), await openNatsBus(options)];
    try {
      const ids = Array.from({ length: 50 }, (_, at) => `e${at}`);
      await one.publish(
        ACME,
        ids.map((id) => message(id)),
      );
      const collector = await Collector.start(one, ACME);
      await collector.until(ids.length);
      const type = parseEventType('order.paid');
      for (const delivery of collector.deliveries) {
        const id = `run.${delivery.sequence}`;
        const awaits = { pattern: 'order.*', after: delivery.sequence };
        const run = { id, dueAt: 5, runId: 'run', state: '{}', awaits };
        const parking = { runs: [run], max: 100, delayMs: 50 };
        await collector.consumer.settle({ kind: 'ack', delivery, runs: [], parking });
        await other.waits.catchUp(ACME);
        expect(other.waits.find(ACME, { type, position: 1000 }, () => undefined)).toContain(id);
      }
    } finally {
      await one.close();
      await other.close();
    }
  });
});
