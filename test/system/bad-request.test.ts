import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { startHost } from '../../host/host.ts';
import type { RunningHost } from '../../host/running-host.ts';
import { folderWith, packPath, scriptFlow } from './bundle.ts';
import { BusLog } from './bus-log.ts';
import { post, sendRaw, webhook } from './request.ts';

/** A request and what its sender gets; a file of test/golden/http. In its texts `{3×ab}` stands for `ababab`. */
interface Case {
  /** The request line, whose version is HTTP/1.1. */
  readonly request: string;
  /** `host` and `content-length` are added, unless they are here; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly body?: string;
  /** Bytes as they are, instead of all the above. */
  readonly raw?: string;
  readonly answer: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: unknown;
  };
}

const golden = new URL('../golden/http/', import.meta.url);
const names = readdirSync(golden).sort();

/** All that a sender may take for a promise; the others are the server's own business. */
const SHOWN = ['content-type', 'allow', 'retry-after', 'gtpack-event-id'];

const YAML = JSON.stringify({
  http: { listen: '127.0.0.1:0' },
  tenants: {
    demo: { providers: { 'events-webhook': { pack: packPath('events-webhook') } }, flows: ['flows/a.ygtc'] },
    two: {
      providers: {
        github: { pack: packPath('events-webhook') },
        stripe: { pack: packPath('events-webhook') },
      },
    },
    none: { providers: { 'events-timer': { pack: packPath('events-timer') } } },
  },
});

describe('a request that is wrong', () => {
  const bus = new BusLog();
  let folder: Awaited<ReturnType<typeof folderWith>>;
  let host: RunningHost;
  beforeAll(async () => {
    folder = await folderWith({
      yaml: YAML,
      packs: ['events-webhook', 'events-timer'],
      files: { 'flows/a.ygtc': scriptFlow('a', 'event.payload') },
    });
    host = await startHost(await loadBundle(folder.path), { log: () => undefined });
    host.control.tap(bus.listener);
  });
  afterAll(async () => {
    await host.stop(0);
    await folder.remove();
  });

  test.each(names)('%s', async (name) => {
    const { answer, ...request } = JSON.parse(readFileSync(new URL(name, golden), 'utf8')) as Case;
    const { status, headers, json, text } = await sendRaw(host.url, bytesOf(request));
    const shown = SHOWN.flatMap((key) => {
      const value = headers.get(key);
      return value === null ? [] : [[key, value] as const];
    });
    expect({ status, headers: Object.fromEntries(shown), body: withoutIds(json ?? text) }).toEqual(answer);
  });

  test('leaves no event behind, and the host serves the next one', async () => {
    const answer = await post(webhook(host.url, 'demo', 'order.created'), { n: 1 });
    expect(answer.status).toBe(202);
    await bus.result(answer.json.id);
    expect(bus.seen).toHaveLength(2);
  });
});

function bytesOf({ request, headers = {}, body = '', raw }: Omit<Case, 'answer'>): string {
  if (raw !== undefined) return raw;
  const text = written(body);
  const all = {
    host: 'localhost',
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === null ? [] : [`${name}: ${written(value)}`],
  );
  return `${written(request)} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${text}`;
}

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Ids of events are new every time. */
function withoutIds(body: unknown): unknown {
  return JSON.parse(JSON.stringify(body).replace(UUID, '<id>'));
}

function written(text: string): string {
  return text.replace(/\{(\d+)×([^}]+)\}/g, (_, times, part) => part.repeat(Number(times)));
}
