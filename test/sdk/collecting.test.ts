import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { main as asc } from 'assemblyscript/asc';
import { beforeAll, expect, test } from 'vitest';
import { Guest, repositoryPath } from './guest.ts';

/** The guest `wrapped-as` with the runtime that collects as it allocates. */
async function collectingGuest(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = repositoryPath('test/guests/wrapped-as');
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc(
    ['assembly/index.ts', '--runtime', 'incremental', '--exportRuntime', '--optimize', '--outFile', 'a.wasm'],
    {
      readFile: async (name) => {
        const inSdk = /^node_modules\/gtpack\/(.+)$/.exec(name)?.[1];
        const path =
          inSdk === undefined ? join(folder, name) : repositoryPath(`sdk/assemblyscript/assembly/${inSdk}`);
        return await readFile(path, 'utf8').catch(() => null);
      },
      writeFile: (_, contents) => {
        if (typeof contents !== 'string') wasm = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null || wasm === undefined) throw new Error(stderr.toString());
  return new Uint8Array(wasm);
}

let guest: Guest;
const body = JSON.stringify({ text: 'é "quoted" '.repeat(2000) });
/** Long enough for the garbage of one response to start a collection, and to end it, while the response is in use. */
const long = JSON.stringify('é "quoted" '.repeat(30_000));
const response = { status: 200, headers: { 'content-type': 'a/b' }, body: long, body_encoding: 'utf8' };

beforeAll(async () => {
  let refusals = 0;
  const envelope = (ok: unknown) => (): string => JSON.stringify({ ok });
  guest = new Guest(await collectingGuest(), 'null', {
    http: { send: envelope(response) },
    bus: {
      publish: (events) =>
        JSON.stringify({ ok: { ids: (JSON.parse(events) as unknown[]).map(() => 'x'.repeat(100)) } }),
    },
    timers: {
      set: envelope({ due_at: 5 }),
      clear: envelope(true),
      list: envelope({ timers: [{ id: body }], next: body }),
    },
    state: { get: envelope(body), set: envelope(null), delete: envelope(false) },
    secrets: {
      get: () => {
        refusals += 1;
        return JSON.stringify({ err: { code: 'no_luck', message: `${refusals}`, retryable: true } });
      },
    },
  });
});

test('in a module that collects as it allocates, nothing that a function of the host gives is collected too early', () => {
  const events = Array.from({ length: 5 }, (_, n) => ({ event_type: 'a.b', payload: { n, body } }));
  const size = Buffer.byteLength(long);
  for (let round = 1; round <= 20; round += 1) {
    const call = (operation: string, input: unknown): unknown =>
      JSON.parse(guest.call('invoke', operation, JSON.stringify(input)));
    expect(call('http_send', { url: 'https://x/', json: { body }, headers: [['a', body]] })).toMatchObject({
      ok: { status: 200, type: 'a/b', units: long.length, size, json: true },
    });
    expect(call('bus_publish', events)).toEqual({ ok: events.map(() => 'x'.repeat(100)) });
    expect(call('timers_set', { id: 't', at: 1, event: events[0] })).toEqual({ ok: 5 });
    expect(call('timers_list', { after: body })).toEqual({ ok: { timers: [{ id: body }], next: body } });
    expect(call('state_get', 'k')).toEqual({ ok: body });
    expect(call('state_get_text', 'k')).toEqual({ ok: body });
    expect(call('state_set_text', { key: 'k', value: body })).toEqual({ ok: null });
    expect(call('secrets_get', 'K')).toEqual({
      err: { code: 'no_luck', message: `${round}`, retryable: true },
    });
  }
});
