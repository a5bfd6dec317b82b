import { expect, test } from 'vitest';
import { describeNats, NatsRoom } from '../nats/fixture.ts';
import { flowOf, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

const room = NatsRoom.use();
const ORDERS = Array.from({ length: 20 }, (_, at) => at + 1);

describeNats('two hosts on one NATS', () => {
  test('B6 whichever host an event comes to, the run that waits for it goes on, once, and also after the host that parked it has gone', async () => {
    const config = { event: 'payment.*', when: 'arrived.payload.order == event.payload.order' };
    const orders = flowOf(
      'orders',
      [
        { id: 'pause', type: 'wait', config, next: 'after' },
        {
          id: 'after',
          type: 'publish',
          config: { event_type: 'shipped', payload: '{{ [event.payload.order, input.payload.order] }}' },
        },
      ],
      'order.created',
    );
    const parts = tenantsBundle({ demo: { flows: { orders } } });
    const bundle = { ...JSON.parse(parts.yaml), bus: { kind: 'nats', servers: [room.server.url] } };
    const start = async () => startHere(await writeBundle({ ...parts, yaml: JSON.stringify(bundle) }));
    const [one, other] = [await start(), await start()];
    await Promise.all(
      ORDERS.map((order) =>
        post(webhook((order % 2 === 0 ? one : other).url, 'demo', 'order.created'), { order }),
      ),
    );
    const parked = async () =>
      (await other.host.control.timers.page({ next: 1, from: 0 })).timers[0]?.count ?? 0;
    await expect.poll(parked, { timeout: 20_000 }).toBe(ORDERS.length);
    const pay = async (order: number, { url }: { readonly url: string }) =>
      post(webhook(url, 'demo', 'payment.received'), { order });
    await Promise.all(ORDERS.slice(0, 15).map((order) => pay(order, order % 3 === 0 ? one : other)));
    const shipped = () =>
      other.bus
        .of('event')
        .filter(({ type }) => type === 'shipped')
        .map(({ json }) => json.payload[0]);
    await expect.poll(() => shipped().length, { timeout: 20_000 }).toBe(15);
    await one.stop();
    await Promise.all(ORDERS.map((order) => pay(order, other)));
    await expect.poll(() => shipped().length, { timeout: 20_000 }).toBe(ORDERS.length);
    expect(shipped().toSorted((a, b) => a - b)).toEqual(ORDERS);
    await expect.poll(parked, { timeout: 20_000 }).toBe(0);
  }, 90_000);
});
