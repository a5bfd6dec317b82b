import { afterEach, expect, test } from 'vitest';
import { parseTenantId } from '../../../host/event/names.ts';
import { ACME, Collector, message, messages } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

describeNats('what one host holds', () => {
  test('B2 tenants whose flows hang, as many as there are, take not all of it, and give back what they settle', async () => {
    const bus = await room.open(room.env(), { maxHeld: 64 });
    const names = Array.from({ length: 5 }, (_, at) => parseTenantId(`stuck-${at}`));
    await Promise.all(names.map((tenant) => bus.publish(tenant, messages(64))));
    const stuck = await Promise.all(names.map((tenant) => Collector.start(bus, tenant, 64)));
    const held = () => stuck.reduce((sum, { ids }) => sum + ids.length, 0);
    await expect.poll(held).toBeGreaterThan(55);
    const other = await Collector.start(bus, ACME);
    await bus.publish(ACME, [message('one')]);
    await other.until(1);
    expect(held()).toBeLessThan(64);
    for (const collector of stuck) {
      collector.onDelivery = (delivery) => void collector.ack(delivery);
      for (const delivery of collector.deliveries) void collector.ack(delivery);
    }
    await expect.poll(held).toBe(5 * 64);
  });
});
