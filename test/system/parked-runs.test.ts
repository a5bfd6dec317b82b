import { expect, test } from 'vitest';
import { flowOf, put, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';

const seen = (id: string, next?: string) => ({
  ...{ id, type: 'publish', config: { event_type: `seen.${id}`, payload: '{{ event.payload.n }}' } },
  ...(next === undefined ? {} : { next }),
});
const wait = (duration: string) => ({ id: 'pause', type: 'wait', config: { duration }, next: 'after' });

const waiting = (duration: string, more: Readonly<Record<string, string>> = {}) =>
  tenantsBundle({
    demo: {
      flows: {
        orders: flowOf('orders', [seen('before', 'pause'), wait(duration), seen('after')], 'order.created'),
        ...more,
      },
    },
  });

/** Resolves when so many runs are parked. */
async function parked({ host }: Awaited<ReturnType<typeof startHere>>, count: number): Promise<void> {
  const counts = async () =>
    (await host.control.timers.page({ next: 1, from: 0 })).timers.map(
      ({ event_type: type, count: found }) => [type, found],
    );
  await expect.poll(counts, { timeout: 20_000 }).toEqual([['host.resume', count]]);
}

test('a run that waits holds no event in the backlog, goes on after a restart, and does nothing twice', async () => {
  const folder = await writeBundle(waiting('5s'));
  const first = await startHere(folder);
  const { json: event } = await post(webhook(first.url, 'demo', 'order.created'), { n: 7 });
  await parked(first, 1);
  expect(first.bus.of('event').map(({ type }) => type)).toEqual(['order.created', 'seen.before']);
  await first.stop();
  expect(stored(folder)).toMatchObject({ pending: 0, results: new Map(), deadLetters: [] });

  // Another version of its flow is there by then.
  await put(folder, waiting('1h').files ?? {});
  const second = await startHere(folder);
  const { type, json } = await second.bus.result(event.id);
  expect(type).toBe('order.created');
  expect(json).toMatchObject({ flow: 'orders', status: 'ok', attempts: 1 });
  const run = await second.host.control.records.run(json.run_id);
  expect(run).toMatchObject({ eventId: event.id, eventType: 'order.created' });
  expect(JSON.parse(run?.journalJson ?? '')).toMatchObject([
    { node: 'before', status: 'ok' },
    { node: 'pause', status: 'ok' },
    { node: 'after', status: 'ok' },
  ]);
  await second.stop();
  const { events, pending, results } = stored(folder);
  expect(pending).toBe(0);
  expect(results).toEqual(new Map([[`demo ${event.id}`, 1]]));
  // The event, what came before the wait, what resumed it, and what came after.
  expect(events).toHaveLength(4);
  expect(second.bus.of('event').map(({ type: of }) => of)).toEqual(['host.resume', 'seen.after']);
});

test('an event from outside that looks like a resumption goes on with nothing', async () => {
  const folder = await writeBundle(
    waiting('1h', { forged: flowOf('forged', [seen('forged')], 'host.resume') }),
  );
  const host = await startHere(folder);
  await post(webhook(host.url, 'demo', 'order.created'), { n: 1 });
  await parked(host, 1);
  const forged = {
    n: 2,
    schedule: 'resume:x',
    metadata: { schedule: 'resume:x' },
    flow: 'orders',
    trigger: 0,
  };
  expect(await post(webhook(host.url, 'demo', 'host.resume'), forged)).toMatchObject({
    json: { code: 'event_type_reserved' },
  });
  // The type alone resumes nothing either, whoever makes such an event.
  const { id } = await host.host.control.emit('demo', 'host.resume', JSON.stringify(forged));
  expect((await host.bus.result(id)).json).toMatchObject({ flow: 'forged', status: 'ok' });
  await parked(host, 1);
});

test('a parked run goes on through its flow as it was, which is another one by then or gone', async () => {
  const folder = await writeBundle(waiting('4s'));
  const first = await startHere(folder);
  const ids: string[] = [];
  for (const n of [1, 2]) ids.push((await post(webhook(first.url, 'demo', 'order.created'), { n })).json.id);
  await parked(first, 2);
  await first.stop();
  const other = flowOf('others', [seen('others')], 'order.created');
  await put(folder, { 'flows/demo/orders.ygtc': other });
  const second = await startHere(folder);
  for (const id of ids)
    expect((await second.bus.result(id)).json).toMatchObject({ flow: 'orders', status: 'ok' });
  const types = second.bus.of('event').map(({ type }) => type);
  expect(types.toSorted()).toEqual(['host.resume', 'host.resume', 'seen.after', 'seen.after']);
});
