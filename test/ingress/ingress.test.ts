import { afterEach, describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import type { HttpAnswer, JobResult } from '../../host/sandbox/protocol.ts';
import { type Door, demo, gate, openDoor, send, sendRaw } from './door.ts';

const doors: Door[] = [];
async function open(options: Parameters<typeof openDoor>[0] = {}): Promise<Door> {
  const door = await openDoor(options);
  doors.push(door);
  return door;
}
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.server.close(10_000)));
});

const events = (...ids: string[]): JobResult => ({
  kind: 'events',
  events: ids.map((id) => ({ id, type: 'order.created', json: '{}' })),
});

describe('a webhook that is taken', () => {
  test('I1: gets 202 with its id in body and header, after the event was published', async () => {
    const door = await open();
    const answer = await send(door, '/events/webhook/demo/order.created', { body: '{"order":{"id":42}}' });
    expect(answer.status).toBe(202);
    expect(answer.text).toBe('{"ids":["event-1"],"id":"event-1"}');
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('gtpack-event-id')).toBe('event-1');
    expect(door.published.map(({ tenant, message }) => [tenant, message.type, message.json])).toEqual([
      ['demo', 'order.created', '{"n":1}'],
    ]);
  });

  test('is not answered before the bus says that the event is durable', async () => {
    const door = await open();
    const durable = gate();
    const asked = gate();
    const { publish } = door;
    door.publish = async (tenant, messages) => {
      asked.open();
      await durable.opened;
      return publish(tenant, messages);
    };
    let answered = false;
    const answer = send(door, '/events/webhook/demo/a').then((got) => {
      answered = true;
      return got;
    });
    await asked.opened;
    expect(answered).toBe(false);
    durable.open();
    expect((await answer).status).toBe(202);
  });

  test('reaches the guest with its parts, and without credentials', async () => {
    const door = await open();
    await send(door, '/events/webhook/demo/order.created?a=1&b=x%20y&a=2&__proto__=p', {
      body: '{"a":"ü"}',
      headers: {
        Authorization: 'Bearer secret',
        Cookie: 'session=1',
        'Proxy-Authorization': 'Basic x',
        'X-GitHub-Event': 'push',
        'Content-Type': 'application/json',
      },
    });
    const [request] = door.requests;
    expect(request).toMatchObject({
      handler: null,
      eventType: 'order.created',
      method: 'POST',
      path: '/events/webhook/demo/order.created',
      body: '{"a":"ü"}',
      bodyEncoding: 'utf8',
      receivedAt: 1_700_000_000_000,
    });
    expect(Object.entries(request?.query ?? {})).toEqual([
      ['a', '1,2'],
      ['b', 'x y'],
      ['__proto__', 'p'],
    ]);
    expect(request?.headers).toMatchObject({ 'x-github-event': 'push', 'content-type': 'application/json' });
    for (const name of ['authorization', 'cookie', 'proxy-authorization']) {
      expect(request?.headers).not.toHaveProperty(name);
    }
  });

  test('may send a header several times: the values are joined', async () => {
    const door = await open();
    await sendRaw(
      door,
      'GET /v1/events/ingress/mail/demo/h HTTP/1.1\r\nhost: x\r\nx-tag: a\r\nX-Tag: b\r\nset-cookie: c=1\r\nset-cookie: d=2\r\nconnection: close\r\n\r\n',
    );
    expect(door.requests[0]?.headers).toMatchObject({ 'x-tag': 'a, b', 'set-cookie': 'c=1, d=2' });
  });

  test('I2: may carry any bytes: what is not UTF-8 arrives as base64', async () => {
    const door = await open();
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28]);
    await send(door, '/events/webhook/demo/a', {
      body: bytes,
      headers: { 'content-type': 'application/json' },
    });
    expect(door.requests[0]).toMatchObject({ body: bytes.toString('base64'), bodyEncoding: 'base64' });
  });

  test('I2: may say JSON and send none: that is for the provider to judge', async () => {
    const door = await open();
    const headers = { 'content-type': 'application/json' };
    expect((await send(door, '/events/webhook/demo/a', { body: '{nope', headers })).status).toBe(202);
    expect((await send(door, '/events/webhook/demo/a', { body: '', headers })).status).toBe(202);
    expect(door.requests.map(({ body }) => body)).toEqual(['{nope', '']);
  });

  test('takes every method on the long path, and its last part reaches the guest', async () => {
    const door = await open();
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) {
      const answer = await send(door, '/v1/events/ingress/mail/demo/inbound%2Fmail', { method });
      expect([method, answer.status]).toEqual([method, 202]);
    }
    expect(new Set(door.requests.map(({ handler }) => handler))).toEqual(new Set(['inbound/mail']));
    expect(door.requests.map(({ method }) => method)).toContain('DELETE');
  });

  test('may become several events, or none', async () => {
    const door = await open();
    door.ingest = async () => events('a', 'b"');
    const several = await send(door, '/events/webhook/demo/x');
    expect(several.text).toBe('{"ids":["a","b\\""]}');
    expect(several.headers.get('gtpack-event-id')).toBe('a,b"');
    const ids = (count: number) => Array.from({ length: count }, (_, index) => `e${index}`);
    for (const [count, inHeader] of [
      [20, ids(20).join(',')],
      [1000, null],
    ] as const) {
      door.ingest = async () => events(...ids(count));
      const many = await send(door, '/events/webhook/demo/x');
      expect([many.json.ids, many.headers.get('gtpack-event-id')]).toEqual([ids(count), inHeader]);
    }
    door.ingest = async () => events();
    const none = await send(door, '/events/webhook/demo/x');
    expect([none.status, none.text, none.headers.get('gtpack-event-id')]).toEqual([202, '{"ids":[]}', null]);
  });

  test('is told when its event is there already', async () => {
    const door = await open();
    door.ingest = async () => events('same');
    await send(door, '/events/webhook/demo/x');
    const again = await send(door, '/events/webhook/demo/x');
    expect(again.text).toBe('{"ids":["same"],"id":"same","duplicate":true}');
    door.ingest = async () => events('same', 'new');
    expect((await send(door, '/events/webhook/demo/x')).text).toBe('{"ids":["same","new"]}');
  });
});

describe('a request that is refused says what and why', () => {
  const cases: [title: string, path: string, status: number, code: string][] = [
    ['an unknown tenant', '/events/webhook/nobody/a', 404, 'tenant_unknown'],
    ['a tenant with a dot', '/events/webhook/de.mo/a', 400, 'tenant_invalid'],
    ['an empty tenant', '/events/webhook//a', 400, 'tenant_invalid'],
    ['an upper-case tenant', '/events/webhook/Demo/a', 400, 'tenant_invalid'],
    ['an empty event type', '/events/webhook/demo/', 400, 'event_type_invalid'],
    ['an event type with an empty token', '/events/webhook/demo/a..b', 400, 'event_type_invalid'],
    ['an event type with a star', '/events/webhook/demo/a.*', 400, 'event_type_invalid'],
    ['an event type with a greater sign', '/events/webhook/demo/a.%3E', 400, 'event_type_invalid'],
    ['an event type with a space', '/events/webhook/demo/a%20b', 400, 'event_type_invalid'],
    ['an event type with a slash', '/events/webhook/demo/a%2Fb', 400, 'event_type_invalid'],
    ['an event type with a line feed', '/events/webhook/demo/a%0Ab', 400, 'event_type_invalid'],
    ['an event type of 300 bytes', `/events/webhook/demo/${'a'.repeat(300)}`, 400, 'event_type_invalid'],
    ['an event type that ends in result', '/events/webhook/demo/a.result', 400, 'event_type_invalid'],
    ['a tenant without a webhook provider', '/events/webhook/none/a', 404, 'provider_unknown'],
    ['a tenant with two webhook providers', '/events/webhook/two/a', 409, 'provider_ambiguous'],
    ['an unknown provider', '/v1/events/ingress/nope/demo/h', 404, 'provider_unknown'],
    ['an unknown tenant of a provider', '/v1/events/ingress/mail/nope/h', 404, 'tenant_unknown'],
    ['an empty handler', '/v1/events/ingress/mail/demo/', 404, 'route_unknown'],
    ['a percent sign that encodes nothing', '/events/webhook/demo/a%ZZ', 400, 'request_invalid'],
    ['a path that is not served', '/', 404, 'route_unknown'],
    ['a path below the webhook', '/events/webhook/demo/a/b', 404, 'route_unknown'],
    ['a path with __proto__ for a tenant', '/events/webhook/__proto__/a', 400, 'tenant_invalid'],
    ['a path with constructor for a tenant', '/events/webhook/constructor/a', 404, 'tenant_unknown'],
  ];
  test.each(cases)('%s', async (_title, path, status, code) => {
    const door = await open();
    const answer = await send(door, path, { body: '{}' });
    expect({ status: answer.status, code: answer.json.code }).toEqual({ status, code });
    expect(Object.keys(answer.json)).toEqual(['code', 'message']);
    expect(answer.json.message).toMatch(/^[A-Z].{10,}\.$/s);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(door.published).toEqual([]);
    expect(door.requests).toEqual([]);
  });

  test('two webhook providers: both are named, with the URLs that work', async () => {
    const door = await open();
    const { json } = await send(door, '/events/webhook/two/a');
    expect(json.message).toContain('github, stripe');
    expect(json.message).toContain('/v1/events/ingress/github/two/{handler}');
  });

  test('another method on the short path: 405 with the one that works', async () => {
    const door = await open();
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const answer = await send(door, '/events/webhook/demo/a?x=1', { method });
      expect([answer.status, answer.json.code, answer.headers.get('allow')]).toEqual([
        405,
        'method_not_allowed',
        'POST',
      ]);
    }
  });

  test('a body over the cap: 413, though the sender is still writing', async () => {
    const door = await open();
    const answer = await send(door, '/events/webhook/demo/a', { body: 'x'.repeat(64 * 1024 + 1) });
    expect([answer.status, answer.json.code]).toEqual([413, 'body_too_large']);
    expect(answer.json.message).toContain('65536 bytes');
    const chunked = await send(door, '/events/webhook/demo/a', {
      body: new Blob(['y'.repeat(100_000), 'y'.repeat(100_000)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect([chunked.status, chunked.json.code]).toEqual([413, 'body_too_large']);
    const whole = await send(door, '/events/webhook/demo/a', { body: 'x'.repeat(64 * 1024) });
    expect(whole.status).toBe(202);
  });

  test('a body that claims to be endless is refused before it is read', async () => {
    const door = await open();
    const text = await sendRaw(
      door,
      'POST /events/webhook/demo/a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1.1 413 /);
    expect(text).toContain('"code":"body_too_large"');
  });

  test('a body over the tenant’s own cap', async () => {
    const door = await open();
    const answer = await send(door, '/events/webhook/small/a', { body: '12345678901' });
    expect([answer.status, answer.json.message]).toEqual([
      413,
      'The body is larger than the 10 bytes that are taken here.',
    ]);
  });

  test('a content type that is none', async () => {
    const door = await open();
    const answer = await send(door, '/events/webhook/demo/a', {
      body: '{}',
      headers: { 'content-type': 'json, please' },
    });
    expect([answer.status, answer.json.code]).toEqual([415, 'content_type_invalid']);
  });

  const raw: [title: string, text: string, status: number, code: string][] = [
    ['what is not HTTP', 'hello\r\n\r\n', 400, 'request_invalid'],
    ['a missing host header', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'request_invalid'],
    [
      'headers over 16 KiB',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'request_invalid'],
    [
      'a smuggled length',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
      'request_invalid',
    ],
    [
      'a strange expectation',
      'POST / HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\ncontent-length: 0\r\n\r\n',
      400,
      'request_invalid',
    ],
  ];
  test.each(raw)('%s', async (_title, text, status, code) => {
    const door = await open();
    const answer = await sendRaw(door, text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(`{"code":"${code}","message":"`);
    expect(answer.toLowerCase()).toContain('content-type: application/json');
  });

  test('a sender that writes too slowly is cut off with 408', async () => {
    const door = await open({ headersTimeoutMs: 40 });
    expect(await sendRaw(door, 'POST /events/webhook/demo/a HTTP/1.1\r\nhost: x\r\n')).toContain(
      '"code":"request_timeout"',
    );
    await sendRaw(door, 'POST /events/webhook/demo/a HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc');
    expect(door.requests).toEqual([]);
  });

  test('more bodies than the host can hold: 503, and room again when they are answered', async () => {
    const door = await open({ maxHeldBodyBytes: 1000 });
    const { ingest } = door;
    const held = gate();
    const entered = gate();
    door.ingest = async (...given) => {
      entered.open();
      await held.opened;
      return ingest(...given);
    };
    const first = send(door, '/events/webhook/demo/a', { body: 'x'.repeat(900) });
    await entered.opened;
    const second = await send(door, '/events/webhook/demo/a', { body: 'x'.repeat(900) });
    expect([second.status, second.json.code, second.headers.get('retry-after')]).toEqual([
      503,
      'host_busy',
      '1',
    ]);
    held.open();
    expect((await first).status).toBe(202);
    expect((await send(door, '/events/webhook/demo/a', { body: 'x'.repeat(900) })).status).toBe(202);
  });

  test('I4: bodies of one tenant, and of names that are no tenant’s, leave room for those of another', async () => {
    const door = await open({ maxHeldBodyBytes: 1000 });
    const { ingest } = door;
    const held = gate();
    const entered = gate();
    door.ingest = async (tenant, provider, request) => {
      entered.open();
      if (tenant === 'demo') await held.opened;
      return ingest(tenant, provider, request);
    };
    const body = 'x'.repeat(400);
    const first = send(door, '/events/webhook/demo/a', { body });
    await entered.opened;
    expect((await send(door, '/events/webhook/demo/a', { body })).json.code).toBe('host_busy');
    expect((await send(door, '/events/webhook/narrow/a', { body })).status).toBe(202);
    held.open();
    expect((await first).status).toBe(202);
  });

  test('I5: an aborted body and a refused one give back what they held', async () => {
    const door = await open({ maxHeldBodyBytes: 1000 });
    for (let i = 0; i < 5; i += 1) {
      const controller = new AbortController();
      const started = gate();
      const body = new ReadableStream({
        pull(stream) {
          stream.enqueue(Buffer.alloc(600, 'x'));
          started.open();
          return new Promise(() => {});
        },
      });
      const request = send(door, '/events/webhook/demo/a', {
        body,
        signal: controller.signal,
        duplex: 'half',
      } as RequestInit);
      await started.opened;
      controller.abort();
      await expect(request).rejects.toThrow();
      await send(door, '/events/webhook/nobody/a', { body: 'x'.repeat(300) });
    }
    // The host may hear of the abort after the next request: it is the same loop, so a few turns are enough.
    let status = 0;
    for (let i = 0; i < 50 && status !== 202; i += 1) {
      status = (await send(door, '/events/webhook/demo/a', { body: 'x'.repeat(1000) })).status;
    }
    expect(status).toBe(202);
  });
});

describe('what the cell says', () => {
  const problem = (code: string, message: string, retryable: boolean): JobResult => ({
    kind: 'problem',
    problem: { code, message, retryable },
  });

  test('a guest’s problem is the sender’s: 400 with its code and message', async () => {
    const door = await open();
    door.ingest = async () => problem('body_not_json', 'The body is not JSON.', false);
    const answer = await send(door, '/events/webhook/demo/a');
    expect([answer.status, answer.text]).toEqual([
      400,
      '{"code":"body_not_json","message":"The body is not JSON."}',
    ]);
  });

  test('a guest’s passing problem is 503 with a time to come back', async () => {
    const door = await open();
    door.ingest = async () => problem('later', 'Later.', true);
    const answer = await send(door, '/events/webhook/demo/a');
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  });

  test('a guest’s problem is bounded, and its code is a token', async () => {
    const door = await open();
    door.ingest = async () => problem('Über\r\nx: y', 'm'.repeat(100_000), false);
    const answer = await send(door, '/events/webhook/demo/a');
    expect(answer.json.code).toBe('guest_refused');
    expect(answer.text.length).toBeLessThan(1100);
  });

  test.each([
    ['guest_trap', 502],
    ['guest_timeout', 504],
    ['cell_busy', 429],
    ['cell_lost', 503],
    ['host_stopping', 503],
    ['toString', 500],
    ['no_such_code', 500],
  ])('the host’s error %s gives %i', async (code, status) => {
    const door = await open();
    door.ingest = async () => ({ kind: 'error', code, message: 'What happened.' });
    const answer = await send(door, '/events/webhook/demo/a');
    expect(answer.status).toBe(status);
    expect(answer.json.code).toBe(status === 500 ? 'host_failed' : code);
    expect(answer.headers.get('retry-after')).toBe(status === 429 || status === 503 ? '1' : null);
  });

  test.each([
    ['an id with a line feed', { id: 'a\nb', type: 'a' }, 'event_invalid'],
    ['an id of 300 characters', { id: 'a'.repeat(300), type: 'a' }, 'event_invalid'],
    ['an empty id', { id: '', type: 'a' }, 'event_invalid'],
    ['a type with a wildcard', { id: 'a', type: 'a.>' }, 'event_type_invalid'],
    ['a type of the host', { id: 'a', type: 'host.call' }, 'event_type_reserved'],
  ])('%s never reaches the bus', async (_title, event, code) => {
    const door = await open();
    door.ingest = async () => ({ kind: 'events', events: [{ ...event, json: '{}' }] });
    const answer = await send(door, '/events/webhook/demo/a');
    expect(answer.json.code).toBe(code);
    expect(door.published).toEqual([]);
  });

  test('I3: a failure of the host tells the sender nothing of its inside, and the operator all', async () => {
    const door = await open();
    door.ingest = async () => {
      throw new TypeError('secret of /var/lib');
    };
    const answer = await send(door, '/events/webhook/demo/a');
    expect([answer.status, answer.text]).toEqual([
      500,
      '{"code":"host_failed","message":"The host failed on this request."}',
    ]);
    expect(door.faults).toMatchObject([
      { tenant: 'demo', provider: 'events-webhook', message: 'secret of /var/lib' },
    ]);
  });

  test('a bus that is full gives 503, without the path of its file', async () => {
    const door = await open();
    door.publish = async () => {
      throw new GtpackError('bus_unavailable', 'The disk is full.', { file: '/srv/bus.db' });
    };
    const answer = await send(door, '/events/webhook/demo/a');
    expect([answer.status, answer.text]).toEqual([
      503,
      '{"code":"bus_unavailable","message":"The disk is full."}',
    ]);
  });
});

describe('an answer made for the sender', () => {
  const answer: HttpAnswer = { status: 201, headers: { 'X-Made-By': 'flow' }, body: 'made' };

  test('the provider’s own answer is given, and the events are published', async () => {
    const door = await open();
    door.ingest = async () => ({
      ...events('a'),
      kind: 'events',
      events: [{ id: 'a', type: 'b', json: '{}' }],
      answer: { status: 200, headers: { 'content-type': 'text/plain' }, body: 'challenge' },
    });
    const got = await send(door, '/events/webhook/demo/a');
    expect([
      got.status,
      got.text,
      got.headers.get('content-type'),
      got.headers.get('gtpack-event-id'),
    ]).toEqual([200, 'challenge', 'text/plain', 'a']);
    expect(door.published).toHaveLength(1);
  });

  describe('where a flow that the event starts answers, too', () => {
    const own: HttpAnswer = { status: 200, headers: {}, body: 'of the provider' };
    const both = async (options = {}): Promise<Door> => {
      const door = await open(options);
      door.answersWebhook = () => true;
      door.ingest = async () => ({
        ...events('a'),
        kind: 'events',
        events: [{ id: 'a', type: 'b', json: '{}' }],
        answer: own,
      });
      return door;
    };
    const textOf = async (door: Door): Promise<string> => (await send(door, '/events/webhook/demo/a')).text;

    test('the flow’s goes before the provider’s own', async () => {
      const door = await both();
      const { publish } = door;
      door.publish = async (tenant, messages) => {
        door.server.respond(demo, 'a', answer);
        return publish(tenant, messages);
      };
      expect(await textOf(door)).toBe('made');
    });

    test('the provider’s own is given in place of a 202: late, ended without an answer, a duplicate', async () => {
      expect(await textOf(await both({ responseTimeoutMs: 5 }))).toBe('of the provider');
      const door = await both({ responseTimeoutMs: 1_000_000 });
      const { publish } = door;
      door.publish = async (tenant, messages) => {
        const receipts = await publish(tenant, messages);
        queueMicrotask(() => door.server.eventDone(demo, 'a'));
        return receipts;
      };
      expect(await textOf(door)).toBe('of the provider');
      door.publish = publish;
      expect(await textOf(door)).toBe('of the provider');
    });
  });

  test('a handshake publishes nothing', async () => {
    const door = await open();
    door.ingest = async () => ({
      kind: 'events',
      events: [],
      answer: { status: 204, headers: {}, body: '' },
    });
    const got = await send(door, '/events/webhook/demo/a');
    expect([got.status, got.text, got.headers.get('content-type')]).toEqual([204, '', null]);
    expect(door.published).toEqual([]);
  });

  test('a flow’s answer is given to the request whose event it answers', async () => {
    const door = await open();
    const published = gate();
    const { publish } = door;
    door.answersWebhook = (_tenant, type) => type === 'order.created';
    door.publish = async (tenant, messages) => {
      const receipts = await publish(tenant, messages);
      published.open();
      return receipts;
    };
    const request = send(door, '/events/webhook/demo/order.created');
    await published.opened;
    expect(door.server.respond(demo, 'event-9', answer)).toBe(false);
    expect(door.server.respond('two' as typeof demo, 'event-1', answer)).toBe(false);
    expect(door.server.respond(demo, 'event-1', answer)).toBe(true);
    const got = await request;
    expect([got.status, got.text, got.headers.get('x-made-by'), got.headers.get('gtpack-event-id')]).toEqual([
      201,
      'made',
      'flow',
      'event-1',
    ]);
    expect(got.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(got.headers.get('x-content-type-options')).toBe('nosniff');
    // The wait is over; nobody hears a second answer.
    expect(door.server.respond(demo, 'event-1', answer)).toBe(false);
  });

  test('an answer that comes before the receipt is not lost', async () => {
    const door = await open();
    const { publish } = door;
    door.answersWebhook = () => true;
    door.publish = async (tenant, messages) => {
      expect(door.server.respond(demo, 'event-1', answer)).toBe(true);
      return publish(tenant, messages);
    };
    expect((await send(door, '/events/webhook/demo/a')).status).toBe(201);
  });

  test('an event that no answering flow matches is not waited for', async () => {
    const door = await open();
    door.answersWebhook = (_tenant, type) => type === 'other';
    expect((await send(door, '/events/webhook/demo/a')).status).toBe(202);
  });

  test('no answer in time: 202 as for every other webhook', async () => {
    const door = await open({ responseTimeoutMs: 5 });
    door.answersWebhook = () => true;
    const got = await send(door, '/events/webhook/demo/a');
    expect([got.status, got.json.id]).toEqual([202, 'event-1']);
    expect(door.server.respond(demo, 'event-1', answer)).toBe(false);
  });

  test('flows that end without an answer end the wait', async () => {
    const door = await open({ responseTimeoutMs: 1_000_000 });
    const { publish } = door;
    door.answersWebhook = () => true;
    door.publish = async (tenant, messages) => {
      const receipts = await publish(tenant, messages);
      queueMicrotask(() => door.server.eventDone(demo, 'event-1'));
      return receipts;
    };
    expect((await send(door, '/events/webhook/demo/a')).status).toBe(202);
  });

  test('a duplicate is not waited for: its flows ran before', async () => {
    const door = await open({ responseTimeoutMs: 1_000_000 });
    door.ingest = async () => events('same');
    await send(door, '/events/webhook/demo/a');
    door.answersWebhook = () => true;
    expect((await send(door, '/events/webhook/demo/a')).json.duplicate).toBe(true);
  });

  test('I5: a sender that leaves ends its wait and frees its place', async () => {
    const door = await open({ responseTimeoutMs: 1_000_000 });
    door.answersWebhook = () => true;
    for (let i = 0; i < 4; i += 1) {
      const waiting = gate();
      const { publish } = door;
      door.publish = async (tenant, messages) => {
        const receipts = await publish(tenant, messages);
        waiting.open();
        return receipts;
      };
      const controller = new AbortController();
      const request = send(door, '/events/webhook/narrow/a', { signal: controller.signal });
      await waiting.opened;
      controller.abort();
      await expect(request).rejects.toThrow();
    }
    door.answersWebhook = () => false;
    let status = 0;
    for (let i = 0; i < 50 && status !== 202; i += 1)
      status = (await send(door, '/events/webhook/narrow/a')).status;
    expect(status).toBe(202);
  });

  const bad: [title: string, answer: HttpAnswer, words: string][] = [
    ['a status of 99', { ...answer, status: 99 }, 'status'],
    ['a status of 600', { ...answer, status: 600 }, 'status'],
    ['a status of 200.5', { ...answer, status: 200.5 }, 'status'],
    [
      'a header that splits the response',
      { ...answer, headers: { x: 'a\r\nset-cookie: b' } },
      'x whose value',
    ],
    ['a header name with a space', { ...answer, headers: { 'x y': 'a' } }, 'no header name'],
    ['an empty header name', { ...answer, headers: { '': 'a' } }, 'no header name'],
    ['a header value beyond Latin-1', { ...answer, headers: { x: '→' } }, 'x whose value'],
    ['a length of its own', { ...answer, headers: { 'Content-Length': '1' } }, 'content-length'],
    ['a transfer encoding', { ...answer, headers: { 'transfer-encoding': 'chunked' } }, 'transfer-encoding'],
    ['a connection header', { ...answer, headers: { Connection: 'upgrade' } }, 'connection'],
    ['a cookie', { ...answer, headers: { 'set-cookie': 'a=b' } }, 'set-cookie'],
    ['the same header twice', { ...answer, headers: { 'x-a': '1', 'X-A': '2' } }, 'twice'],
    [
      '65 headers',
      { ...answer, headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`x-${i}`, ''])) },
      '64 headers',
    ],
    ['20 KB of headers', { ...answer, headers: { x: 'a'.repeat(20_000) } }, 'characters'],
    ['a body of 2 MiB', { ...answer, body: 'a'.repeat(2 * 1024 * 1024) }, 'body'],
  ];
  test.each(bad)('%s is not passed on', async (_title, given, words) => {
    const door = await open();
    door.ingest = async () => ({
      kind: 'events',
      events: [{ id: 'a', type: 'b', json: '{}' }],
      answer: given,
    });
    const got = await send(door, '/events/webhook/demo/a');
    expect([got.status, got.json.code]).toEqual([502, 'answer_invalid']);
    expect(got.json.message).toContain(words);
    expect(door.published).toEqual([]);
    expect(door.faults).toHaveLength(1);
  });
});

describe('load', () => {
  test('I4: a tenant over its rate or backlog is refused before any guest runs, with the time to come back; another tenant is served', async () => {
    const door = await open();
    door.admit = (tenant) => {
      if (tenant === 'narrow')
        throw new GtpackError('tenant_backlog_full', 'Too many wait.', { retryAfterMs: 4200 });
      if (tenant === 'two') throw new GtpackError('tenant_rate_exceeded', 'Too fast.', { retryAfterMs: 10 });
    };
    const narrow = await send(door, '/events/webhook/narrow/a');
    const two = await send(door, '/v1/events/ingress/github/two/a');
    const said = [narrow, two].map(({ status, json, headers }) => [
      status,
      json.code,
      headers.get('retry-after'),
    ]);
    expect(said).toEqual([
      [503, 'tenant_backlog_full', '5'],
      [429, 'tenant_rate_exceeded', '1'],
    ]);
    expect(door.requests).toEqual([]);
    expect((await send(door, '/events/webhook/demo/a')).status).toBe(202);
    // Its place in flight was given back.
    door.admit = () => undefined;
    for (let nth = 0; nth < 3; nth += 1) {
      expect((await send(door, '/events/webhook/narrow/a')).status).toBe(202);
    }
  });

  test('I4: a tenant over its share gets 429 with a time to come back; another tenant is served', async () => {
    const door = await open();
    const held = gate();
    const both = gate();
    let inside = 0;
    const { ingest } = door;
    door.ingest = async (tenant, provider, request) => {
      if (tenant !== 'narrow') return ingest(tenant, provider, request);
      inside += 1;
      if (inside === 2) both.open();
      await held.opened;
      return ingest(tenant, provider, request);
    };
    const first = send(door, '/events/webhook/narrow/a');
    const second = send(door, '/events/webhook/narrow/a');
    await both.opened;
    const third = await send(door, '/events/webhook/narrow/a');
    expect([third.status, third.json.code, third.headers.get('retry-after')]).toEqual([
      429,
      'cell_busy',
      '1',
    ]);
    expect((await send(door, '/events/webhook/demo/a')).status).toBe(202);
    held.open();
    expect([(await first).status, (await second).status]).toEqual([202, 202]);
    expect((await send(door, '/events/webhook/narrow/a')).status).toBe(202);
  });

  test('2,000 requests at once: each is taken or told to come back, and nothing taken is lost', async () => {
    const door = await open();
    const answers = await Promise.all(
      Array.from({ length: 2000 }, () => send(door, '/events/webhook/demo/a', { body: '{}' })),
    );
    const taken = answers.filter(({ status }) => status === 202);
    expect(answers.every(({ status }) => status === 202 || status === 429)).toBe(true);
    expect(new Set(taken.map(({ json }) => json.id))).toEqual(
      new Set(door.published.map(({ message }) => message.id)),
    );
  });
});

describe('the end', () => {
  test('a request under way is finished, a waiting one gets its 202, and the port is free again', async () => {
    const door = await openDoor({ responseTimeoutMs: 1_000_000 });
    const { publish } = door;
    const held = gate();
    const inside = gate();
    door.answersWebhook = (tenant) => tenant === 'narrow';
    let published = 0;
    door.publish = async (tenant, messages) => {
      if (tenant === 'demo') await held.opened;
      const receipts = await publish(tenant, messages);
      published += 1;
      return receipts;
    };
    const waiting = send(door, '/events/webhook/narrow/a');
    const { ingest } = door;
    door.ingest = async (tenant, ...given) => {
      if (tenant === 'demo') inside.open();
      return ingest(tenant, ...given);
    };
    const underWay = send(door, '/events/webhook/demo/a');
    await inside.opened;
    while (published === 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = door.server.close(10_000);
    held.open();
    expect([(await underWay).status, (await waiting).status]).toEqual([202, 202]);
    await closed;
    const again = await openDoor({ port: door.server.port });
    await again.server.close(10_000);
  });

  test('a connection that stays open is told to go elsewhere', async () => {
    const door = await openDoor();
    const held = gate();
    const inside = gate();
    const { ingest } = door;
    door.ingest = async (...given) => {
      inside.open();
      await held.opened;
      return ingest(...given);
    };
    const post = 'POST /events/webhook/demo/a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n';
    const text = sendRaw(door, post + post);
    await inside.opened;
    const closed = door.server.close(10_000);
    held.open();
    await closed;
    expect(await text).toMatch(/^HTTP\/1.1 202 /);
  });

  test('a request that does not end is cut after the grace', async () => {
    const door = await openDoor();
    const inside = gate();
    door.ingest = () => {
      inside.open();
      return new Promise(() => {});
    };
    const request = send(door, '/events/webhook/demo/a');
    request.catch(() => undefined);
    await inside.opened;
    await door.server.close(5);
    await expect(request).rejects.toThrow();
  });

  test('a port that is taken is named, with the way out', async () => {
    const door = await open();
    await expect(openDoor({ port: door.server.port })).rejects.toMatchObject({
      code: 'listen_failed',
      message: expect.stringContaining(`gtpack up --listen 127.0.0.1:${door.server.port + 1}`),
    });
    await expect(openDoor({ host: '203.0.113.1' })).rejects.toMatchObject({ code: 'listen_failed' });
  });
});
