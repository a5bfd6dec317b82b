import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flowOf, folderWith, put, tenantsBundle, writeBundle } from './bundle.ts';
import { openHere, startHere } from './host-here.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';

type Config = Readonly<Record<string, unknown>>;

const seen = (id: string, payload: string, next?: string) => ({
  ...{ id, type: 'publish', config: { event_type: `seen.${id}`, payload } },
  ...(next === undefined ? {} : { next }),
});
const wait = (config: Config, more: Config = {}) => ({
  ...{ id: 'pause', type: 'wait', config, next: 'after', output: 'paid' },
  ...more,
});
const PAID = { event: 'payment.*', when: 'arrived.payload.order == event.payload.order' };
const AFTER = seen('after', '{{ [event.payload.order, paid.payload, input.event_type] }}');

const waiting = (config: Config, more: Readonly<Record<string, string>> = {}, node: Config = {}) =>
  tenantsBundle({
    demo: {
      flows: {
        orders: flowOf(
          'orders',
          [seen('before', '{{ event.payload.order }}', 'pause'), wait(config, node), AFTER],
          'order.created',
        ),
        ...more,
      },
    },
  });

type Here = Awaited<ReturnType<typeof startHere>>;

async function parked({ host }: Here, count: number, tenant = 'demo'): Promise<void> {
  const counts = async () =>
    (await host.control.timers.page({ next: 1, from: 0 })).timers.find(({ tenant: of }) => of === tenant)
      ?.count ?? 0;
  await expect.poll(counts, { timeout: 20_000 }).toEqual(count);
}

const order = async (here: Here, of: number): Promise<string> =>
  (await post(webhook(here.url, 'demo', 'order.created'), { order: of })).json.id;
const pay = async (here: Here, of: unknown, type = 'payment.received'): Promise<string> =>
  (await post(webhook(here.url, 'demo', type), { order: of })).json.id;

const payloads = (here: Here) =>
  here.bus
    .of('event')
    .filter(({ type }) => type === 'seen.after')
    .map(({ json }) => json.payload);

test('an event resumes the run that waits for it, once, over a restart and a changed flow, and goes on to its own flows', async () => {
  const own = { payments: flowOf('payments', [seen('payment', '{{ event.payload.order }}')], 'payment.>') };
  const folder = await writeBundle(waiting(PAID, own));
  const first = await startHere(folder);
  const orders = [await order(first, 1), await order(first, 2), await order(first, 3)];
  await parked(first, 3);
  await pay(first, 2);
  expect((await first.bus.result(orders[1] ?? '')).json).toMatchObject({ flow: 'orders', status: 'ok' });
  const other = await pay(first, 7);
  await first.bus.result(other);
  await parked(first, 2);
  await first.stop();

  await put(folder, waiting({ duration: '1h' }, own).files ?? {});
  const second = await startHere(folder);
  await parked(second, 2);
  const paid = await pay(second, 3, 'payment.late');
  expect((await second.bus.result(orders[2] ?? '')).json).toMatchObject({ flow: 'orders', status: 'ok' });
  expect((await second.bus.result(paid)).json).toMatchObject({ flow: 'payments', status: 'ok' });
  expect(payloads(first)).toEqual([[2, { order: 2 }, 'payment.received']]);
  expect(payloads(second)).toEqual([[3, { order: 3 }, 'payment.late']]);
  await pay(second, 3);
  await parked(second, 1);
  await second.stop();
  const { deadLetters, results } = stored(folder);
  expect(deadLetters).toEqual([]);
  for (const id of orders) expect(results.get(`demo ${id}`)).toBe(id === orders[0] ? undefined : 1);
});

describe('on one host', () => {
  const late = seen('late', '{{ error.code }}');
  const timed = (name: string, node: Config, type: string) =>
    flowOf(
      name,
      [{ ...wait({ ...PAID, timeout: '300ms' }), ...node }, AFTER, ...(name === 'caught' ? [late] : [])],
      type,
    );
  const nothing = { id: 'a', type: 'transform', config: { value: '{{ event.payload.nothing.there }}' } };
  const loop = [
    wait({ event: 'item.added' }, { next: 'look', output: 'item' }),
    {
      id: 'look',
      type: 'branch',
      config: { conditions: [{ expression: 'item.payload.last', next: 'after' }], default: 'note' },
    },
    seen('note', '{{ item.payload.n }}', 'pause'),
    seen('after', '{{ item.payload.n }}'),
  ] as const;
  const all = {
    event: '>',
    when: 'has(arrived.payload.all) && arrived.payload.order != event.payload.order',
  };
  const tenants = {
    many: { flows: { orders: flowOf('orders', [wait(all), AFTER], 'order.created') } },
    timed: {
      flows: {
        caught: timed('caught', { on_error: 'late' }, 'order.one'),
        dead: timed('dead', {}, 'order.two'),
      },
    },
    mixed: {
      flows: {
        orders: flowOf('orders', [wait(PAID), AFTER], 'order.created'),
        failing: flowOf('failing', [nothing], 'order.created'),
      },
    },
    loop: { flows: { orders: flowOf('orders', [...loop], 'order.created') } },
  };
  let here: Here;
  let remove: () => Promise<void>;
  beforeAll(async () => {
    const folder = await folderWith(tenantsBundle(tenants));
    remove = folder.remove;
    here = await openHere(folder.path);
  }, 60_000);
  afterAll(async () => {
    await here.stop(0);
    await remove();
  });

  const send = async (tenant: string, type: string, payload: object): Promise<string> =>
    (await post(webhook(here.url, tenant, type), payload)).json.id;

  test('one event resumes every run that it is for', async () => {
    const orders: string[] = [];
    for (const order of [1, 2, 3]) orders.push(await send('many', 'order.created', { order }));
    await parked(here, 3, 'many');
    await send('many', 'payment.batch', { all: true, order: 3 });
    for (const id of orders.slice(0, 2)) expect((await here.bus.result(id)).json.status).toBe('ok');
    await parked(here, 1, 'many');
    expect(here.bus.of('event', 'many').filter(({ type }) => type === 'seen.after')).toHaveLength(2);
  });

  test('a wait that is over goes where its on_error says, and without one its run fails', async () => {
    const id = await send('timed', 'order.one', { order: 1 });
    expect((await here.bus.result(id)).json).toMatchObject({ status: 'ok' });
    const events = here.bus.of('event', 'timed').map(({ type, json }) => [type, json.payload]);
    expect(events).toContainEqual(['seen.late', 'wait_timeout']);
    const other = await send('timed', 'order.two', { order: 1 });
    const error = { code: 'wait_timeout', node: 'pause' };
    expect((await here.bus.result(other)).json).toMatchObject({ status: 'error', error });
  });

  test('a run waits for an event though another run of its event fails', async () => {
    const id = await send('mixed', 'order.created', { order: 5 });
    const dead = await here.bus.until((seen_) =>
      seen_.find(({ kind, tenant }) => kind === 'dead_letter' && tenant === 'mixed'),
    );
    expect(dead).toMatchObject({ type: 'host.resume', json: { reason: expect.stringContaining('failing') } });
    await parked(here, 1, 'mixed');
    await send('mixed', 'payment.received', { order: 5 });
    const done = await here.bus.until((seen_) =>
      seen_.find(({ kind, json }) => kind === 'result' && json.event_id === id && json.flow === 'orders'),
    );
    expect(done.json.status).toBe('ok');
  });

  test('a loop gets an event each time that it waits, and never the same one again', async () => {
    const id = await send('loop', 'order.created', { order: 1 });
    for (const n of [1, 2, 3]) {
      await parked(here, 1, 'loop');
      await send('loop', 'item.added', { n, last: n === 3 });
      const type = n === 3 ? 'seen.after' : 'seen.note';
      await here.bus.until((seen_) =>
        seen_.find((each) => each.tenant === 'loop' && each.type === type && each.json.payload === n),
      );
    }
    expect((await here.bus.result(id, 'loop')).json.status).toBe('ok');
  });
});

test('a tenant whose events go one after the other has no flow that waits for one', async () => {
  const { yaml, ...rest } = waiting(PAID);
  const bundle = JSON.parse(yaml);
  bundle.tenants.demo.ordered = true;
  const folder = await writeBundle({ ...rest, yaml: JSON.stringify(bundle) });
  await expect(startHere(folder)).rejects.toThrow('the tenant demo is `ordered`');
});
