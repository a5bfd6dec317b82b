import { expect, test } from 'vitest';
import { flowOf, scriptFlow, type TenantParts, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';
import { startVendor } from './vendor.ts';

const free: TenantParts = { flows: { note: scriptFlow('note', 'event.payload') } };

/** A flow of one request. */
const asking = (origin: string): string =>
  flowOf('asking', [{ id: 'ask', type: 'http', config: { url: `${origin}/ask` } }]);

test('a tenant has as many events in flight and in its backlog as it may; its requests are refused past that, and others are served', async () => {
  const answers: (() => void)[] = [];
  const vendor = await startVendor((_, response) => answers.push(() => response.end('{}')));
  const { origin } = vendor;
  const slow: TenantParts = {
    flows: { asking: asking(origin) },
    grants: { http: { hosts: [origin], networks: ['127.0.0.0/8'] } },
    limits: { max_in_flight: 2, max_backlog: 3 },
  };
  const { url, bus } = await startHere(await writeBundle(tenantsBundle({ slow, free })));
  const ids: string[] = [];
  for (let nth = 0; nth < 3; nth += 1) ids.push((await post(webhook(url, 'slow', 'a'), nth)).json.id);
  await expect.poll(() => answers.length).toBe(2);
  const refused = await post(webhook(url, 'slow', 'a'), 4);
  expect([refused.status, refused.json.code, refused.headers.get('retry-after')]).toEqual([
    503,
    'tenant_backlog_full',
    '5',
  ]);
  const other = await post(webhook(url, 'free', 'a'), 5);
  await bus.result(other.json.id, 'free');
  // The third one is on the bus, and not in flight.
  expect(vendor.asked).toHaveLength(2);
  for (let nth = 0; nth < 3; nth += 1) {
    await expect.poll(() => answers.length).toBeGreaterThan(0);
    answers.shift()?.();
  }
  await bus.results(ids);
  const again = await post(webhook(url, 'slow', 'a'), 6);
  expect(again.status).toBe(202);
  await expect.poll(() => answers.length).toBe(1);
  answers.shift()?.();
  await bus.result(again.json.id);
});

test('a tenant past its rate gets 429 for requests, and what its flows publish comes later; another tenant has its own', async () => {
  const chained: TenantParts = {
    flows: {
      first: flowOf('first', [{ id: 'p', type: 'publish', config: { event_type: 'b', payload: 1 } }], 'a'),
      second: scriptFlow('second', 'event.payload', 'b'),
    },
    limits: { max_events_per_second: 1 },
  };
  const { url, bus } = await startHere(await writeBundle(tenantsBundle({ chained, free })));
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, nth) => post(webhook(url, 'chained', 'a'), nth)),
  );
  const accepted = answers.filter(({ status }) => status === 202);
  const refused = answers.filter(({ status }) => status !== 202);
  expect(accepted.length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, json, headers } of refused) {
    expect([status, json.code]).toEqual([429, 'tenant_rate_exceeded']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect((await post(webhook(url, 'free', 'a'), 1)).status).toBe(202);
  await bus.until((seen) =>
    seen.filter(({ kind, json }) => kind === 'result' && json.flow === 'second').length === accepted.length
      ? true
      : undefined,
  );
  expect(bus.of('dead_letter')).toEqual([]);
});
