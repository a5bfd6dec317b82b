import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { scriptComponent } from './component-maker.ts';
import { type FieldCell, type FieldCellOptions, openFieldCell } from './field-cell.ts';
import { HTTP_CLIENTS, LOGGER, SCHEMA_CORE, STATE, secretsWit, typesWit } from './field-wit.ts';
import { SCHEMA_CORE_SCRIPT } from './guest-script.ts';

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server;
let origin: string;
let received: Received[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      received.push({ method, url, headers, body: Buffer.concat(chunks).toString('base64') });
      if (url === '/slow') return;
      response.writeHead(201, { 'x-answer': 'yes', 'content-type': 'application/octet-stream' });
      response.end(Buffer.from([0, 255, 7]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const cells: FieldCell[] = [];
afterEach(async () => {
  received = [];
  for (const cell of cells.splice(0)) await cell.stop();
});

const EXPORT = 'export greentic:provider-schema-core/schema-core-api@1.0.0;';

async function open(
  imports: string,
  packages: readonly string[],
  script: string,
  options: FieldCellOptions,
): Promise<FieldCell> {
  const wasm = await scriptComponent({
    world: `world built { ${imports} ${EXPORT} }`,
    packages: [SCHEMA_CORE, ...packages],
    script: `${script}\n${SCHEMA_CORE_SCRIPT}`,
  });
  const cell = await openFieldCell(wasm, options);
  cells.push(cell);
  return cell;
}

const SHAPES = {
  plain: {
    wit: HTTP_CLIENTS.plain,
    types: false,
    from: 'greentic:http/http-client@1.0.0',
    args: 'undefined',
  },
  translated: {
    wit: HTTP_CLIENTS.plain,
    types: true,
    from: 'greentic:http/http-client@1.0.0',
    args: 'undefined',
  },
  options: {
    wit: HTTP_CLIENTS.options,
    types: true,
    from: 'greentic:http/http-client@1.0.0',
    args: 'tuned, undefined',
  },
  later: {
    wit: HTTP_CLIENTS.later,
    types: true,
    from: 'greentic:http/http-client@1.1.0',
    args: 'tuned, undefined',
  },
  client: { wit: HTTP_CLIENTS.client, types: null, from: 'greentic:http/client@1.0.0', args: '' },
} as const;

function openHttp(shape: keyof typeof SHAPES, options: FieldCellOptions): Promise<FieldCell> {
  const { wit, types, from, args } = SHAPES[shape];
  const script = `
import { send as sendRequest } from '${from}';
const send = (input) => {
  const tuned = { timeoutMs: input.timeout, allowInsecure: undefined, followRedirects: undefined };
  const body = input.body === undefined ? undefined : Uint8Array.from(input.body);
  const headers = input.count ? Array.from({ length: input.count }, (_, i) => ['x-' + i, 'v']) : input.headers ?? [];
  const { status, headers: got, body: bytes } = sendRequest({ method: input.method ?? 'POST', url: input.url, headers, body }${args === '' ? '' : `, ${args}`});
  return { status, headers: got, body: bytes == null ? null : Array.from(bytes) };
};
const many = (input) => {
  const codes = [];
  for (let i = 0; i < input.times; i += 1) { try { send(input); codes.push('ok'); } catch (error) { codes.push(error.payload.code); } }
  return codes;
};
const operations = { send, many };`;
  return open(`import ${from};`, [wit, ...(types === null ? [] : [typesWit(types)])], script, options);
}

const local = (): FieldCellOptions => ({
  grants: { http: { hosts: [origin], methods: ['POST', 'GET'], networks: ['127.0.0.0/8'] } },
});

describe.each(Object.keys(SHAPES) as (keyof typeof SHAPES)[])('outbound HTTP of the shape %s', (shape) => {
  test('reaches a granted host through the broker, with headers and binary bodies both ways', async () => {
    const cell = await openHttp(shape, local());
    const input = {
      url: `${origin}/a?b=c`,
      headers: [
        ['X-One', '1'],
        ['x-two', '2'],
        ['X-Two', '3'],
      ],
      body: [1, 0, 254],
    };
    expect(await cell.output('send', input)).toMatchObject({ status: 201, body: [0, 255, 7] });
    expect(received).toMatchObject([
      { method: 'POST', url: '/a?b=c', headers: { 'x-one': '1', 'x-two': '2, 3' }, body: 'AQD+' },
    ]);
    expect(cell.effects).toMatchObject([
      { tenant: 'alpha', source: 'guest', capability: 'http', fn: 'send', decision: 'done' },
    ]);
  });

  test('is denied without a grant, with the grant that would allow it, and the component hears of no more than that', async () => {
    const cell = await openHttp(shape, {});
    expect(await cell.output('send', { url: 'https://api.example.com/x' })).toMatchObject({
      caught: { code: 'capability_denied' },
    });
    expect(cell.denials).toEqual([expect.stringContaining('api.example.com')]);
    expect(cell.denials[0]).toContain('grants');
    expect(cell.effects).toMatchObject([{ decision: 'denied', code: 'capability_denied' }]);
  });
});

test.each(['options', 'later'] as const)('the timeout of the shape %s is kept', async (shape) => {
  const cell = await openHttp(shape, local());
  expect(await cell.output('send', { url: `${origin}/slow`, method: 'GET', timeout: 50 })).toMatchObject({
    caught: { code: 'http_timeout' },
  });
});

test('the 65th effect of a call is refused, and so is each after it', async () => {
  const cell = await openHttp('plain', { ...local(), stubHttp: true });
  const codes = await cell.output('many', { url: `${origin}/x`, times: 70 });
  expect(codes).toEqual([...Array(64).fill('ok'), ...Array(6).fill('guest_effects_exceeded')]);
  expect(cell.effects).toHaveLength(64);
});

test('100,000 headers never leave the cell, and asking on after a hundred refusals ends it', async () => {
  // An interpreter needs its time for as many.
  const cell = await openHttp('plain', { ...local(), stubHttp: true, limits: { cpuSliceMs: 5000 } });
  expect(await cell.output('many', { url: `${origin}/x`, count: 100_000, times: 1 })).toEqual([
    'http_request_invalid',
  ]);
  expect(cell.effects).toEqual([]);
  await expect(cell.invoke('many', { url: `${origin}/x`, count: 257, times: 150 })).rejects.toMatchObject({
    code: 'guest_timeout',
    message: 'The call went on asking after 100 refusals.',
  });
});

describe('secrets', () => {
  const script = `
import { get } from 'greentic:secrets-store/secrets-store@1.0.0';
const operations = { get: ({ key }) => { const bytes = get(key); return bytes == null ? null : toText(bytes); } };`;
  const openSecrets = (errors: readonly string[], options: FieldCellOptions): Promise<FieldCell> =>
    open('import greentic:secrets-store/secrets-store@1.0.0;', [secretsWit(errors)], script, options);

  test('a granted one is read as its bytes; all others are denied in the same way', async () => {
    const cell = await openSecrets(['not-found', 'denied', 'invalid-key', 'internal'], {
      grants: { secrets: ['TOKEN', 'GONE'] },
      secrets: { TOKEN: 'gehe€im', OTHER: 'there' },
    });
    expect(await cell.output('get', { key: 'TOKEN' })).toBe('gehe€im');
    expect(await cell.output('get', { key: 'OTHER' })).toEqual({ caught: 'denied' });
    expect(await cell.output('get', { key: 'NOWHERE' })).toEqual({ caught: 'denied' });
    expect(await cell.output('get', { key: '../../etc/passwd' })).toEqual({ caught: 'denied' });
    expect(await cell.output('get', { key: '__proto__' })).toEqual({ caught: 'denied' });
    expect(await cell.output('get', { key: 'GONE' })).toEqual({ caught: 'not-found' });
    expect(cell.denials[0]).toContain('secrets: [OTHER]');
    expect(cell.effects.map(({ target }) => target)).toEqual([
      'TOKEN',
      'OTHER',
      'NOWHERE',
      '',
      '__proto__',
      'GONE',
    ]);
  });

  test('an enum without `denied` says it as it can', async () => {
    const missing = await openSecrets(['not-found', 'internal'], {});
    expect(await missing.output('get', { key: 'TOKEN' })).toEqual({ caught: 'not-found' });
    const other = await openSecrets(['broken', 'odd'], {});
    expect(await other.output('get', { key: 'TOKEN' })).toEqual({ caught: 'odd' });
  });
});

describe('state', () => {
  const script = `
import * as store from 'greentic:state/state-store@1.0.0';
const operations = {
  read: ({ key }) => Array.from(store.read(key, undefined)),
  write: ({ key, bytes, length }) => store.write(key, length === undefined ? Uint8Array.from(bytes) : new Uint8Array(length), undefined) ?? null,
  delete: ({ key }) => store.delete(key, undefined) ?? null,
};`;
  const openState = (options: FieldCellOptions): Promise<FieldCell> =>
    open('import greentic:state/state-store@1.0.0;', [STATE, typesWit(true)], script, options);

  test('keeps bytes of any kind, text so that people can read it, and says what is not there', async () => {
    const cell = await openState({ grants: { state: {} }, state: { given: '{"a":1}', text: '"ü"' } });
    expect(await cell.output('read', { key: 'none' })).toEqual({
      caught: { code: 'not_found', message: 'There is no such key.' },
    });
    const text = [...Buffer.from('{"n": 1}')];
    const binary = [0, 255, 254, 0xef, 0xbb, 0xbf];
    const marked = [0xef, 0xbb, 0xbf, 65];
    for (const [key, bytes] of Object.entries({ text2: text, binary, marked, empty: [] })) {
      expect(await cell.output('write', { key, bytes })).toBe('ok');
      expect(await cell.output('read', { key })).toEqual(bytes);
    }
    expect(cell.state.values.get('text2')).toBe('"{\\"n\\": 1}"');
    expect(cell.state.values.get('binary')).toBe('{"base64":"AP/+77u/"}');
    expect(await cell.output('read', { key: 'given' })).toEqual([...Buffer.from('{"a":1}')]);
    expect(await cell.output('read', { key: 'text' })).toEqual([...Buffer.from('ü')]);
    expect(await cell.output('delete', { key: 'binary' })).toBe('ok');
    expect(await cell.output('delete', { key: 'binary' })).toBe('ok');
    expect(await cell.output('read', { key: 'binary' })).toMatchObject({ caught: { code: 'not_found' } });
  });

  test('keeps to the quota of its grant, and is denied without one', async () => {
    const cell = await openState({ grants: { state: { max_keys: 1, max_value: '64B' } } });
    expect(await cell.output('write', { key: 'a', bytes: [65] })).toBe('ok');
    expect(await cell.output('write', { key: 'b', bytes: [65] })).toMatchObject({
      caught: { code: 'state_full' },
    });
    expect(await cell.output('write', { key: 'a', length: 65 })).toMatchObject({
      caught: { code: 'state_full' },
    });
    expect(await cell.output('write', { key: 'a', length: 8_000_000 })).toMatchObject({
      caught: { code: 'state_full' },
    });
    expect(await cell.output('write', { key: '', bytes: [] })).toMatchObject({
      caught: { code: 'state_key_invalid' },
    });
    const denied = await openState({});
    expect(await denied.output('read', { key: 'a' })).toMatchObject({
      caught: { code: 'capability_denied' },
    });
    expect(denied.denials).toEqual([expect.stringContaining('state: {}')]);
  });
});

test('telemetry fields are lines of the log, with their level, bounded, and need no grant', async () => {
  const cell = await open(
    'import greentic:telemetry/logger-api@1.0.0;',
    [LOGGER, typesWit(true)],
    `
import { log } from 'greentic:telemetry/logger-api@1.0.0';
const span = { tenant: 't', sessionId: undefined, flowId: 'f', nodeId: undefined, provider: 'p', startMs: undefined, endMs: undefined };
const operations = {
  log: ({ fields, count }) => log(span, count ? Array.from({ length: count }, (_, i) => ['k' + i, 'v'.repeat(100)]) : fields, undefined) ?? null,
};`,
    {},
  );
  expect(
    await cell.output('log', {
      fields: [
        ['level', 'WARN'],
        ['msg', 'hello'],
      ],
    }),
  ).toBe('ok');
  expect(await cell.output('log', { fields: [] })).toBe('ok');
  expect(await cell.output('log', { count: 50_000 })).toBe('ok');
  await expect.poll(() => cell.logs.length).toBe(3);
  expect(cell.logs[0]).toMatchObject({ level: 'warn', message: 'level=WARN msg=hello', source: 'guest' });
  expect(cell.logs[2]?.message.length).toBeLessThanOrEqual(8192);
  expect(cell.logs[2]?.message).toMatch(/^k0=v+ k1=v/);
});
