import { expect, test } from 'vitest';
import { flowOf, tenantsBundle, writeBundle } from '../system/bundle.ts';
import { startHere } from '../system/host-here.ts';
import { post, webhook } from '../system/request.ts';
import { isolation } from './isolation.ts';

test('a flow that publishes what triggers it ends in the dead letters after 16 hops, and delays nobody', async () => {
  const echo = (name: string, event_type: string, payload: string): string =>
    flowOf(name, [{ id: 'again', type: 'publish', config: { event_type, payload } }], event_type);
  const { url, bus } = await startHere(
    await writeBundle(
      tenantsBundle({
        // Each event becomes two: without an end, and without a bound on hops, 65,536 of them by now.
        attacker: { isolation, flows: { loop: echo('loop', 'loop.again', '{{ event.payload }}') } },
        bystander: {
          isolation,
          flows: {
            once: echo('once', 'other.once', '{{ event.payload }}').replace('other.once', 'other.done'),
          },
        },
      }),
    ),
  );
  await post(webhook(url, 'attacker', 'loop.again'), { n: 1 });
  const others: string[] = [];
  for (let calls = 0; calls < 20; calls += 1) {
    const { status, json } = await post(webhook(url, 'bystander', 'other.once'), { calls });
    expect(status).toBe(202);
    others.push(json.id);
  }
  const dead = await bus.until((seen) => seen.find(({ kind }) => kind === 'dead_letter'));
  expect(dead).toMatchObject({ tenant: 'attacker', type: 'loop.again' });
  expect(JSON.stringify(dead.json)).toMatch(/16/);
  const hops = bus.of('event', 'attacker').map(({ json }) => json.metadata.hops);
  expect(hops).toEqual(Array.from({ length: 17 }, (_, hop) => hop));
  await bus.results(others);
});
