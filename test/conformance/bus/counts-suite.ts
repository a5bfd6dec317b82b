import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bus, DurableBus, TenantCounts } from '../../../host/bus/bus.ts';
import type { TenantId } from '../../../host/event/names.ts';
import { ACME, Collector, GLOBEX, message, messages, runOf } from './collector.ts';

export interface CountsHarness {
  open(): Promise<Bus & Pick<DurableBus, 'counts'>>;
  /** Moves the bus's clock. */
  advance(ms: number): void;
  dispose(): Promise<void>;
}

/** What a bus says of what waits and what died. It may say what was so a second ago. */
export function countsConformance(name: string, start: () => Promise<CountsHarness>): void {
  describe(`counts of a bus: ${name}`, () => {
    let harness: CountsHarness;
    let bus: Bus & Pick<DurableBus, 'counts'>;

    beforeEach(async () => {
      harness = await start();
      bus = await harness.open();
    });

    afterEach(async () => {
      await bus.close();
      await harness.dispose();
    });

    const NOTHING: TenantCounts = { pending: 0, deadLetters: 0 };
    const counted = (tenant: TenantId) => async () => (await bus.counts()).get(tenant) ?? NOTHING;
    const untilCounted = (tenant: TenantId, counts: object) =>
      expect.poll(counted(tenant)).toStrictEqual(counts);

    test('what waits, what is in flight, put off or dead is told per tenant, also after the bus is opened again', async () => {
      const collector = await Collector.start(bus, ACME, 4);
      await (await Collector.start(bus, GLOBEX)).consumer.stop();
      await bus.publish(ACME, messages(6));
      await bus.publish(GLOBEX, messages(2));
      await collector.until(4);
      await collector.ack(collector.at(0));
      await collector.dead(collector.at(1), 'no');
      await collector.nak(collector.at(2), 60_000);
      const oldestAt = expect.any(Number);
      await untilCounted(ACME, { pending: 4, deadLetters: 1, oldestAt });
      await untilCounted(GLOBEX, { pending: 2, deadLetters: 0, oldestAt });
      await bus.close();
      bus = await harness.open();
      await untilCounted(ACME, { pending: 4, deadLetters: 1, oldestAt });
      await untilCounted(GLOBEX, { pending: 2, deadLetters: 0, oldestAt });
    });

    test('the oldest event that is not settled is told by when it was stored, one that was put off included', async () => {
      const collector = await Collector.start(bus, ACME);
      const oldest = async () => (await counted(ACME)()).oldestAt;
      for (const id of ['a', 'b', 'c']) {
        await bus.publish(ACME, [message(id)]);
        harness.advance(1000);
      }
      await collector.until(3);
      const first = await oldest();
      expect(first).toEqual(expect.any(Number));
      await collector.ack(collector.at(0));
      await collector.nak(collector.at(1), 60_000);
      await expect.poll(oldest).toBe((first ?? 0) + 1000);
      harness.advance(60_000);
      await collector.until(4);
      await collector.dead(collector.at(3), 'no');
      await collector.ack(collector.at(2));
      await untilCounted(ACME, { pending: 0, deadLetters: 1 });
    });

    test('results are no events that wait, however many lie on the way of those that do', async () => {
      const first = await Collector.start(bus, ACME, 30);
      await bus.publish(ACME, messages(30));
      await first.until(30);
      await first.consumer.stop();
      // Nobody takes anything more.
      await Promise.all(first.deliveries.slice(0, 20).map((one) => first.ack(one, [runOf(one.id)])));
      await bus.publish(ACME, messages(7, 'more-'));
      await untilCounted(ACME, { pending: 17, deadLetters: 0, oldestAt: expect.any(Number) });
      const second = await Collector.start(bus, ACME);
      await second.until(17);
      await Promise.all(second.deliveries.map((one) => second.ack(one, [runOf(one.id)])));
      await untilCounted(ACME, NOTHING);
    });
  });
}
