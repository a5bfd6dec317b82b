import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { flowOf, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';

/** Longer than what a run waits for in its cell: each wait goes through the bus. */
const RETRY_AFTER_S = '3';

interface Vendor {
  readonly origin: string;
  /** The `Idempotency-Key` of each request, in order. */
  readonly keys: unknown[];
}

/** Answers by how many requests there were. */
async function startVendor(answer: (nth: number, response: ServerResponse) => void): Promise<Vendor> {
  const keys: unknown[] = [];
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      keys.push(request.headers['idempotency-key']);
      answer(keys.length, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, keys };
}

function busy(response: ServerResponse): void {
  response.writeHead(503, { 'retry-after': RETRY_AFTER_S }).end();
}

/** A tenant whose flow charges a card, and tries three times. */
function bundle({ origin }: Vendor): Promise<string> {
  const charge = {
    id: 'charge',
    type: 'http',
    config: { url: `${origin}/charges`, method: 'POST', body: '{{ event.payload }}' },
    retry: { attempts: 3, backoff: '1ms' },
  };
  const grants = { http: { hosts: [origin], methods: ['POST'], networks: ['127.0.0.0/8'] } };
  const providers = { 'events-webhook': { pack: 'providers/events/events-webhook.gtpack' } };
  const flows = ['flows/charging.ygtc'];
  return writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      tenants: { demo: { providers, flows, grants } },
    }),
    files: { 'flows/charging.ygtc': flowOf('charging', [charge]) },
  });
}

/** Of the only run that a stopped host has stored. */
function journalIn(folder: string): unknown {
  const database = new DatabaseSync(join(folder, '.gtpack', 'bus.sqlite'));
  try {
    const runs = database.prepare('SELECT journal_json FROM runs').all();
    expect(runs).toHaveLength(1);
    return JSON.parse(String(runs[0]?.journal_json));
  } finally {
    database.close();
  }
}

const busyOnce = { code: 'http_status_unexpected', message: expect.stringContaining('503') };

test('a request that is to wait long before its next try waits on the bus, and the third one ends its run', async () => {
  const vendor = await startVendor((nth, response) => {
    if (nth < 3) busy(response);
    else response.end('charged');
  });
  const folder = await bundle(vendor);
  const { url, bus, stop } = await startHere(folder);
  const { id } = (await post(webhook(url, 'demo', 'order'), { total: 5 })).json;
  const { json } = await bus.result(id);
  // Delivered three times: each wait was the bus's.
  expect(json).toMatchObject({ status: 'ok', attempts: 3, output: { status: 200, body: 'charged' } });
  await stop();
  expect(vendor.keys).toEqual(Array.from({ length: 3 }, () => vendor.keys[0]));
  expect(vendor.keys[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(bus.of('result')).toHaveLength(1);
  expect(stored(folder)).toMatchObject({
    pending: 0,
    deadLetters: [],
    results: new Map([[`demo ${id}`, 1]]),
  });
  expect(journalIn(folder)).toMatchObject([
    { node: 'charge', status: 'ok', tries: [busyOnce, busyOnce], waits: 2, effects: 3 },
  ]);
});

test('a host that is stopped between two tries goes on with the next one, and repeats none', async () => {
  const asked = Promise.withResolvers<ServerResponse>();
  const vendor = await startVendor((nth, response) => {
    if (nth === 1) asked.resolve(response);
    else if (nth === 2) busy(response);
    else response.end('charged');
  });
  const folder = await bundle(vendor);
  const first = await startHere(folder);
  const { id } = (await post(webhook(first.url, 'demo', 'order'), { total: 5 })).json;
  const response = await asked.promise;
  // The first try ends while the host stops, so that the second cannot be before.
  const stopping = first.stop(60_000);
  busy(response);
  await stopping;
  expect(vendor.keys).toHaveLength(1);
  expect(first.bus.of('result')).toEqual([]);
  expect(stored(folder)).toMatchObject({ pending: 1, deadLetters: [], results: new Map() });

  const second = await startHere(folder);
  expect((await second.bus.result(id)).json).toMatchObject({ status: 'ok', output: { body: 'charged' } });
  await second.stop();
  expect(vendor.keys).toEqual(Array.from({ length: 3 }, () => vendor.keys[0]));
  expect(second.bus.of('result')).toHaveLength(1);
  expect(stored(folder)).toMatchObject({
    pending: 0,
    deadLetters: [],
    results: new Map([[`demo ${id}`, 1]]),
  });
  expect(journalIn(folder)).toMatchObject([
    { node: 'charge', status: 'ok', tries: [busyOnce, busyOnce], waits: 2, effects: 3 },
  ]);
});
