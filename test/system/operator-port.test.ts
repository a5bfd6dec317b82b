import { expect, test } from 'vitest';
import { scriptFlow, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

async function bundle(operator: object): Promise<string> {
  return await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      ...operator,
      tenants: {
        demo: {
          providers: { 'events-webhook': { pack: 'providers/events/events-webhook.gtpack' } },
          flows: ['flows/fine.ygtc'],
        },
      },
    }),
    files: { 'flows/fine.ygtc': scriptFlow('fine', '1', 'fine') },
    packs: ['events-webhook'],
  });
}

test('health and metrics of a host are on a port of their own, and nothing else is', async () => {
  const here = await startHere(await bundle({ operator: { listen: '127.0.0.1:0' } }));
  const said = here.lines.find(({ message }) => message.startsWith('Health and metrics'));
  const url = /http:\S+\d/.exec(said?.message ?? '')?.[0] ?? '';
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`${url}${path}`, { method });
    return { status: response.status, text: await response.text() };
  };
  expect(await ask('/livez')).toEqual({ status: 200, text: 'ok\n' });
  expect(await ask('/readyz')).toEqual({ status: 200, text: 'ok\n' });
  expect((await ask('/events/webhook/demo/fine', 'POST')).status).toBe(405);
  expect((await ask('/')).status).toBe(404);
  const { json } = await post(webhook(here.url, 'demo', 'fine'), {});
  await here.bus.result(json.id);
  const { text } = await ask('/metrics');
  expect(text).toContain('gtpack_events_total{tenant="demo"} 1\n');
  expect(text).toContain('gtpack_runs_total{tenant="demo",status="ok"} 1\n');
  expect(text).toContain('gtpack_cells 1\n');
  expect(text).toContain('gtpack_cells_opened_total{tenant="demo"} 1\n');
  expect(text).toContain('gtpack_ingest_duration_seconds_count{tenant="demo",provider="events-webhook"} 1\n');
  expect(text).toContain('gtpack_run_duration_seconds_count{tenant="demo"} 1\n');
  expect(text).toMatch(/^gtpack_guest_memory_bytes\{tenant="demo",provider="events-webhook"\} [1-9]/m);
  await expect
    .poll(async () => (await ask('/metrics')).text)
    .toMatch(/^gtpack_guest_cpu_seconds_total\{tenant="demo",provider="flow:fine"\} \d/m);
  expect((await fetch(`${here.url}/metrics`)).status).toBe(404);
  await here.stop();
  await expect(ask('/livez')).rejects.toThrow('fetch failed');
});

test('a host without `operator` in its bundle has no such port', async () => {
  const here = await startHere(await bundle({}));
  expect(here.lines.filter(({ message }) => message.startsWith('Health and metrics'))).toEqual([]);
});
