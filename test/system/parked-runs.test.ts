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
  const { json } = await post(webhook(host.url, 'demo', 'host.resume'), forged);
  expect((await host.bus.result(json.id)).json).toMatchObject({ flow: 'forged', status: 'ok' });
  await parked(host, 1);
});

test('a parked run whose flow is gone is a dead letter, which goes on once the flow is back', async () => {
  const folder = await writeBundle(waiting('4s'));
  const first = await startHere(folder);
  const { json: event } = await post(webhook(first.url, 'demo', 'order.created'), { n: 1 });
  await parked(first, 1);
  await first.stop();
  const flow = { 'flows/demo/orders.ygtc': flowOf('others', [seen('others')], 'other') };
  await put(folder, flow);
  const second = await startHere(folder);
  const dead = await second.bus.until((all) => all.find(({ kind }) => kind === 'dead_letter'));
  expect(dead.json.reason).toContain('Flow orders: flow_unknown');
  await second.stop();

  await put(folder, waiting('4s').files ?? {});
  const third = await startHere(folder);
  const { items } = await third.host.control.records.letters({ limit: 10, order: 'oldest' });
  const [letter] = items;
  if (letter === undefined) throw new Error('A dead letter was expected.');
  await third.host.control.records.replay([letter], { fromStart: false });
  expect((await third.bus.result(event.id)).json).toMatchObject({ flow: 'orders', status: 'ok' });
  expect(third.bus.of('event').map(({ type }) => type)).toEqual(['host.resume', 'seen.after']);
});
