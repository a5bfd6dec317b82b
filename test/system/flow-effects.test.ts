import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { flowOf, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { cellHosts } from './host-process.ts';
import { packFile } from './packs.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';

beforeAll(async () => {
  await packFile('notifying');
}, 120_000);

interface Asked {
  readonly line: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server;
let origin: string;
let asked: Asked[];
let answer: (asked: Asked, response: ServerResponse) => void;
beforeEach(async () => {
  asked = [];
  answer = (_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end('{"n":7}');
  };
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const seen = { line: `${method} ${url}`, headers, body: Buffer.concat(chunks).toString() };
      asked.push(seen);
      answer(seen, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const allowed = (methods = 'GET, POST') => ({
  hosts: [origin],
  methods: methods.split(', '),
  networks: ['127.0.0.0/8'],
});

interface Parts {
  readonly flows: Readonly<Record<string, string>>;
  /** Of the tenant. */
  readonly grants?: object;
  /** Of the provider `notifier`; there is none without. */
  readonly notifier?: object;
}

/** A tenant `demo` with a webhook, and maybe a provider that flows call. */
function bundle({ flows, grants, notifier }: Parts): Promise<string> {
  const files = Object.fromEntries(
    Object.entries(flows).map(([name, text]) => [`flows/${name}.ygtc`, text] as const),
  );
  const providers = {
    'events-webhook': { pack: 'providers/events/events-webhook.gtpack' },
    ...(notifier === undefined
      ? {}
      : { notifier: { pack: 'providers/events/notifying.gtpack', grants: notifier } }),
  };
  const tenant = { providers, flows: Object.keys(files), ...(grants === undefined ? {} : { grants }) };
  return writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0', response_timeout: '60s' },
      tenants: { demo: tenant },
    }),
    files,
    packs: notifier === undefined ? ['events-webhook'] : ['events-webhook', 'notifying'],
  });
}

const http = (id: string, config: object, next?: string) => ({
  id,
  type: 'http',
  config,
  ...(next === undefined ? {} : { next }),
});

describe('an http node', () => {
  test('reaches what its tenant was granted, and the nodes after it and the sender see the answer', async () => {
    const flow = flowOf('asking', [
      http('ask', { url: `${origin}/orders/{{ event.payload.id }}`, query: { q: 'a b' } }, 'answer'),
      {
        id: 'answer',
        type: 'http_response',
        config: { body: { n: '{{ http_response.body.n }}', status: '{{ http_response.status }}' } },
      },
    ]);
    const { url } = await startHere(await bundle({ flows: { asking: flow }, grants: { http: allowed() } }));
    const reply = await post(webhook(url, 'demo', 'ask'), { id: 5 });
    expect(reply).toMatchObject({ status: 200, json: { n: 7, status: 200 } });
    expect(asked).toMatchObject([{ line: 'GET /orders/5?q=a+b' }]);
  });

  test('is refused before anything starts where its host stands in the flow and nothing grants it', async () => {
    const flow = flowOf('asking', [http('ask', { url: `${origin}/a`, method: 'POST' })]);
    const check = async (grants?: object) =>
      (
        await checkBundle(
          await loadBundle(
            await bundle({ flows: { asking: flow }, ...(grants === undefined ? {} : { grants }) }),
          ),
        )
      ).problems;
    expect(await check()).toMatchObject([
      {
        code: 'capability_denied',
        file: expect.stringContaining('flows/asking.ygtc'),
        line: expect.any(Number),
        message: `nodes[0].config.url: The flow may not send POST to ${origin}.`,
        cure: `To allow it, add to the grants of the tenant demo in the bundle: http: { hosts: ["${origin}"], methods: [POST] }`,
      },
    ]);
    expect(await check({ http: allowed('GET') })).toMatchObject([
      { cure: expect.stringContaining('http: { methods: [POST] }') },
    ]);
    expect(await check({ http: allowed() })).toEqual([]);
  });

  test('whose host a template gives is refused by the broker, and the operator reads the grant', async () => {
    const flow = flowOf('asking', [http('ask', { url: '{{ event.payload.url }}' })]);
    const { url, bus, lines } = await startHere(await bundle({ flows: { asking: flow } }));
    const { json } = await post(webhook(url, 'demo', 'ask'), { url: `${origin}/` });
    await bus.deadLetter(json.id);
    expect(asked).toEqual([]);
    expect(lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('To allow it, add to the grants of its tenant'),
    );
  });

  test.each([
    ['file:///etc/passwd', 'http_request_invalid'],
    ['http://ann:secret@localhost/', 'http_request_invalid'],
    ['not a url', 'http_request_invalid'],
    ['http://127.0.0.2:1/', 'capability_denied'],
  ])('with the URL %s fails its run', async (target, code) => {
    const flow = flowOf('asking', [http('ask', { url: '{{ event.payload.url }}' })]);
    const folder = await bundle({ flows: { asking: flow }, grants: { http: allowed() } });
    const { url, bus } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'ask'), { url: target });
    expect(JSON.stringify((await bus.deadLetter(json.id)).json)).toContain(code);
    expect(asked).toEqual([]);
  });

  test('sends no header that a template smuggled in', async () => {
    const flow = flowOf('asking', [
      http('ask', { url: `${origin}/`, headers: { 'x-a': '{{ event.payload.value }}' } }),
    ]);
    const folder = await bundle({ flows: { asking: flow }, grants: { http: allowed() } });
    const { url, bus } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'ask'), { value: 'b\r\nx-evil: c' });
    expect(JSON.stringify((await bus.deadLetter(json.id)).json)).toContain('http_request_invalid');
    expect(asked).toEqual([]);
  });

  test('that is answered with 503 is sent again with the same key, until it is answered well', async () => {
    answer = (_, response) => {
      response.statusCode = asked.length === 1 ? 503 : 200;
      response.end('done');
    };
    const flow = flowOf('asking', [http('ask', { url: `${origin}/`, method: 'POST', body: { a: 1 } })]);
    const folder = await bundle({ flows: { asking: flow }, grants: { http: allowed() } });
    const { url, bus } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'ask'), {});
    const result = await bus.result(json.id);
    expect(result.json).toMatchObject({ status: 'ok', attempts: 2, output: { status: 200, body: 'done' } });
    expect(asked).toHaveLength(2);
    expect(asked[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f]{32}$/);
    expect(asked[1]).toEqual(asked[0]);
  });

  test('that waits holds up no other run of its tenant', async () => {
    const held: ServerResponse[] = [];
    answer = (_, response) => held.push(response);
    const flows = {
      asking: flowOf('asking', [http('ask', { url: `${origin}/` })], 'ask'),
      quick: flowOf('quick', [{ id: 'a', type: 'transform', config: { value: 1 } }], 'quick'),
    };
    const { url, bus } = await startHere(await bundle({ flows, grants: { http: allowed() } }));
    const waiting = await Promise.all(
      Array.from({ length: 20 }, () => post(webhook(url, 'demo', 'ask'), {})),
    );
    const { json } = await post(webhook(url, 'demo', 'quick'), {});
    await bus.result(json.id);
    expect(bus.of('result')).toHaveLength(1);
    answer = (_, response) => response.end();
    for (const response of held) response.end();
    await bus.results(waiting.map((each) => each.json.id));
  });
});

describe('B3: a cell host that is killed', () => {
  const flow = () =>
    flowOf('telling', [
      http('tell', { url: `${origin}/tell`, method: 'POST', body: '{{ event.payload }}' }, 'hang'),
      http('hang', { url: `${origin}/hang` }, 'end'),
    ]);

  test('repeats no request that was recorded, and sends one again that was under way, with its key', async () => {
    const hanging = Promise.withResolvers<void>();
    answer = ({ line }, response) => {
      if (line === 'GET /hang' && asked.filter((each) => each.line === line).length === 1) hanging.resolve();
      else response.end('done');
    };
    const folder = await bundle({ flows: { telling: flow() }, grants: { http: allowed() } });
    const { url, bus, stop } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'tell'), { a: 1 });
    await hanging.promise;
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    expect((await bus.result(json.id)).json.status).toBe('ok');
    expect(asked.map(({ line }) => line)).toEqual(['POST /tell', 'GET /hang', 'GET /hang']);
    await stop();
    expect(stored(folder)).toMatchObject({ pending: 0, deadLetters: [] });
  });

  test('while a request is under way has it sent again with the same key', async () => {
    const hanging = Promise.withResolvers<void>();
    answer = (_, response) => {
      if (asked.length === 1) hanging.resolve();
      else response.end('done');
    };
    const folder = await bundle({ flows: { telling: flow() }, grants: { http: allowed() } });
    const { url, bus } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'tell'), { a: 1 });
    await hanging.promise;
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    await bus.result(json.id);
    expect(asked.map(({ line }) => line)).toEqual(['POST /tell', 'POST /tell', 'GET /hang']);
    expect(asked[1]).toEqual(asked[0]);
  });
});

describe('an event node', () => {
  const call = (action: string, fields: object) => ({
    id: 'call',
    type: 'event',
    config: { provider: 'notifier', action, ...fields },
  });
  const granted = () => ({ http: allowed(), bus: { publish: ['told', 'call'] } });

  test("calls a provider's operation with its own grants, whatever the tenant's flows may", async () => {
    const flows = { calling: flowOf('calling', [call('send', { url: `${origin}/from-provider` })], 'call') };
    const { url, bus } = await startHere(await bundle({ flows, notifier: granted() }));
    const { json } = await post(webhook(url, 'demo', 'call'), {});
    expect((await bus.result(json.id)).json).toMatchObject({
      status: 'ok',
      output: { status: 200, body: '{"n":7}' },
    });
    expect(asked).toMatchObject([{ line: 'GET /from-provider' }]);
  });

  test("a provider is denied what only the tenant's flows were granted", async () => {
    const flows = { calling: flowOf('calling', [call('send', { url: `${origin}/` })], 'call') };
    const notifier = { http: { hosts: ['api.example.com'] }, bus: { publish: ['told'] } };
    const { url, bus } = await startHere(await bundle({ flows, notifier, grants: { http: allowed() } }));
    const { json } = await post(webhook(url, 'demo', 'call'), {});
    expect(JSON.stringify((await bus.deadLetter(json.id)).json)).toContain('capability_denied');
    expect(asked).toEqual([]);
  });

  test.each([
    ['fail', 'asked_to_fail'],
    ['trap', 'guest_trap'],
  ])('whose operation is %s fails its run with %s, and the cell goes on', async (action, code) => {
    const flows = {
      calling: flowOf('calling', [call(action, {})], 'call'),
      echoing: flowOf('echoing', [call('echo', { a: '{{ event.payload }}' })], 'echo'),
    };
    const { url, bus } = await startHere(await bundle({ flows, notifier: granted() }));
    const { json } = await post(webhook(url, 'demo', 'call'), {});
    expect(JSON.stringify((await bus.deadLetter(json.id)).json)).toContain(code);
    const again = await post(webhook(url, 'demo', 'echo'), [1, null]);
    expect((await bus.result(again.json.id)).json.output).toEqual({ a: [1, null] });
  });

  test('whose provider publishes what starts it again ends after 16 hops', async () => {
    const flows = {
      loop: flowOf('loop', [call('tell', { event_type: 'call', payload: 1 })], 'call'),
    };
    const { url, bus } = await startHere(await bundle({ flows, notifier: granted() }));
    await post(webhook(url, 'demo', 'call'), {});
    const dead = await bus.until((seen) => seen.find(({ kind }) => kind === 'dead_letter'));
    expect(JSON.stringify(dead.json)).toContain('too_many_hops');
    expect(bus.of('event').length).toBeLessThanOrEqual(17);
  });

  test('a request of the provider carries the same key whenever its run repeats it, unless it brings its own', async () => {
    const hanging = Promise.withResolvers<void>();
    answer = (_, response) => {
      if (asked.length === 2) hanging.resolve();
      else response.end('{}');
    };
    const send = (path: string, headers: object) => ({
      ...call('send', { method: 'POST', url: `${origin}${path}`, headers }),
      id: path.slice(1),
    });
    const own = { ...send('/own', { 'idempotency-key': 'mine' }), next: 'made' };
    const flows = { calling: flowOf('calling', [own, send('/made', {})], 'call') };
    const { url, bus } = await startHere(await bundle({ flows, notifier: granted() }));
    const { json } = await post(webhook(url, 'demo', 'call'), {});
    await hanging.promise;
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    expect((await bus.result(json.id)).json.status).toBe('ok');
    const keys = asked.map(({ line, headers }) => [line, headers['idempotency-key']]);
    expect(keys).toEqual([
      ['POST /own', 'mine'],
      ['POST /made', expect.stringMatching(/^[0-9a-f]{32}\.http\.1$/)],
      ['POST /made', keys[1]?.[1]],
    ]);
  });

  test('what the provider publishes is published once, however often its run is repeated', async () => {
    const hanging = Promise.withResolvers<void>();
    answer = (_, response) => {
      if (asked.length === 1) hanging.resolve();
      else response.end('done');
    };
    const tell = { ...call('tell', { event_type: 'told', payload: 1 }), next: 'hang' };
    const flows = { calling: flowOf('calling', [tell, http('hang', { url: `${origin}/` })], 'call') };
    const folder = await bundle({ flows, notifier: granted(), grants: { http: allowed() } });
    const { url, bus } = await startHere(folder);
    const { json } = await post(webhook(url, 'demo', 'call'), {});
    await hanging.promise;
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    await bus.result(json.id);
    const told = bus.of('event').filter(({ type }) => type === 'told');
    expect(told.map(({ json: event }) => [event.source, event.metadata.causation_id])).toEqual([
      ['notifier', json.id],
    ]);
  });

  test('with an unknown provider or action is refused before anything starts, with its line', async () => {
    const flows = {
      a: flowOf('a', [{ id: 'x', type: 'event', config: { provider: 'notifer', action: 'send' } }], 'a'),
      b: flowOf('b', [call('sent', {})], 'b'),
      c: flowOf('c', [{ id: 'x', type: 'event', config: { provider: 'events-webhook', action: 'x' } }], 'c'),
    };
    const { problems } = await checkBundle(await loadBundle(await bundle({ flows, notifier: granted() })));
    expect(problems).toMatchObject([
      { code: 'flow_invalid', line: expect.any(Number), cure: 'Did you mean "notifier"?' },
      { code: 'flow_invalid', line: expect.any(Number), cure: 'Did you mean "send"?' },
      { code: 'flow_invalid', message: expect.stringContaining('exports no `invoke`') },
    ]);
  });
});

test('a flow of a pack has the grants of the provider that it was installed as, and not those of the tenant', async () => {
  const ask = async (grants: object | undefined, notifier: object) => {
    const { url, bus, stop } = await startHere(
      await bundle({ flows: {}, notifier, ...(grants === undefined ? {} : { grants }) }),
    );
    const { json } = await post(webhook(url, 'demo', 'pack.ask'), { url: `${origin}/packed` });
    const end = await bus.until((seen) =>
      seen.find(({ kind, json: each }) => kind !== 'event' && JSON.stringify(each).includes(json.id)),
    );
    await stop();
    return JSON.stringify(end.json);
  };
  const elsewhere = { http: { hosts: ['api.example.com'] }, bus: { publish: ['told'] } };
  expect(await ask({ http: allowed() }, elsewhere)).toContain('capability_denied');
  expect(asked).toEqual([]);
  expect(await ask(undefined, { http: allowed(), bus: { publish: ['told'] } })).toContain('"status":"ok"');
  expect(asked).toMatchObject([{ line: 'GET /packed' }]);
});
