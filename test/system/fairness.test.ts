import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { eventIds, eventToJson, normalizeDraft } from '../../host/event/normalize.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { flowOf, scriptFlow, type TenantParts, tenantsBundle, writeBundle } from './bundle.ts';
import { type HostHere, startHere } from './host-here.ts';
import { startVendor } from './vendor.ts';

const EVENTS = 30;
const QUEUED = 10_000;
/** Of the tenants that fail. */
const WAITING = 50;

const note: TenantParts = { flows: { note: scriptFlow('note', 'event.payload') } };

/** Puts events onto the bus of a bundle that no host serves. */
async function queue(folder: string, tenant: string, count: number): Promise<void> {
  const bus = await openEmbeddedBus({ file: join(folder, '.gtpack', 'bus.sqlite') });
  const type = parseEventType('a');
  const ids = eventIds();
  const bounds = {
    maxBytes: DEFAULT_LIMITS.maxEventBytes,
    maxDepth: DEFAULT_LIMITS.maxJsonDepth,
    maxElements: DEFAULT_LIMITS.maxJsonElements,
  };
  const messages = Array.from({ length: count }, (_, nth) => {
    const event = normalizeDraft(
      { payload: nth },
      { source: 'operator', eventType: type, receivedAt: Date.now(), ids },
      'The event',
    );
    return { id: event.id, type, json: eventToJson(event, bounds) };
  });
  await bus.publish(parseTenantId(tenant), messages);
  await bus.close();
}

/**
 * Of each of many events, one after the other, how often the bus served whoever waited between its acceptance and its
 * result, that included. What is committed together is served at once, however much of it is whose.
 */
async function delays({ host, bus }: HostHere, tenant: string): Promise<number[]> {
  let served = 0;
  const at = new Map<string, number>();
  const stop = host.control.tap((messages) => {
    served += 1;
    for (const { tenant: whose, json } of messages) {
      if (whose !== tenant) continue;
      const { id, event_id } = JSON.parse(json);
      at.set(id ?? `result of ${event_id}`, served);
    }
  });
  const found: number[] = [];
  for (let nth = 0; nth < EVENTS; nth += 1) {
    const { id } = await host.control.emit(tenant, 'a', String(nth));
    await bus.result(id, tenant);
    found.push((at.get(`result of ${id}`) ?? Number.NaN) - (at.get(id) ?? Number.NaN));
  }
  stop();
  return found.sort((a, b) => a - b);
}

const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length;
const median = (list: readonly number[]): number => list[Math.floor(list.length / 2)] ?? Number.NaN;

test('B2 a tenant beside an endless loop, a failing vendor and 10,000 queued events sees, on average, no more than twice the delay that it sees alone, counted in what is served between', async () => {
  const vendor = await startVendor((_, response) => response.writeHead(500).end());
  const { origin } = vendor;
  const alone = await startHere(await writeBundle(tenantsBundle({ quiet: note })));
  await delays(alone, 'quiet');
  const expected = await delays(alone, 'quiet');
  await alone.stop();

  const folder = await writeBundle(
    tenantsBundle({
      quiet: note,
      loud: note,
      endless: { flows: { loop: scriptFlow('loop', 'for (;;) {}') } },
      failing: {
        flows: { ask: flowOf('ask', [{ id: 'ask', type: 'http', config: { url: `${origin}/ask` } }]) },
        grants: { http: { hosts: [origin], networks: ['127.0.0.0/8'] } },
      },
    }),
  );
  for (const tenant of ['endless', 'failing']) await queue(folder, tenant, WAITING);
  await queue(folder, 'loud', QUEUED);
  const beside = await startHere(folder);
  await beside.bus.until((seen) =>
    seen.some(({ kind, tenant }) => kind === 'result' && tenant === 'loud') ? true : undefined,
  );
  await delays(beside, 'quiet');
  const seen = await delays(beside, 'quiet');
  expect(median(seen)).toBeLessThanOrEqual(2 * median(expected));
  expect(mean(seen)).toBeLessThanOrEqual(2 * mean(expected));
  // The others did not rest meanwhile, and were not done.
  expect(vendor.asked.length).toBeGreaterThanOrEqual(WAITING);
  expect(beside.bus.of('result', 'loud').length).toBeLessThan(QUEUED);
  await expect
    .poll(() => beside.bus.of('dead_letter', 'endless').length, { timeout: 60_000 })
    .toBeGreaterThan(0);
}, 120_000);
