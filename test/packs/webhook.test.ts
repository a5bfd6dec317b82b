import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { headersOf } from '../fakes/senders.ts';
import { buildAssemblyScript, Guest } from '../sdk/guest.ts';
import { bodyParts, requestText } from './component-pack.ts';

let wasm: Uint8Array<ArrayBuffer>;
let plain: Guest;
beforeAll(async () => {
  wasm = new Uint8Array(await buildAssemblyScript('packs/events-webhook'));
  plain = new Guest(wasm, 'null');
});

const opened = new Map<string, Guest>();
function withConfig(config: unknown): Guest {
  const text = JSON.stringify(config);
  const guest = opened.get(text) ?? new Guest(wasm, text);
  opened.set(text, guest);
  return guest;
}

interface Draft {
  readonly event_type: string;
  readonly payload: unknown;
  readonly idempotency_key?: string;
  readonly metadata?: unknown;
}

interface Answer {
  readonly ok?: {
    readonly events: readonly Draft[];
    readonly response?: {
      readonly status: number;
      readonly headers: Record<string, string>;
      readonly body: string;
    };
  };
  readonly err?: { readonly code: string; readonly message: string };
}

function ask(config: unknown, parts: Readonly<Record<string, unknown>>): Answer {
  const guest = config === null ? plain : withConfig(config);
  return JSON.parse(guest.call('ingest', requestText({ handler: 'a.b', ...parts })));
}

const JSON_TYPE = { 'content-type': 'application/json' };
function post(config: unknown, body: unknown, parts: Readonly<Record<string, unknown>> = {}): Answer {
  const headers = { ...JSON_TYPE, ...(parts.headers as object | undefined) };
  return ask(config, { body: typeof body === 'string' ? body : JSON.stringify(body), ...parts, headers });
}
const eventOf = (answer: Answer): Draft | undefined => answer.ok?.events[0];

test.each([
  ['100,000 fields', 'a=1&'.repeat(100_000)],
  ['100,000 names', Array.from({ length: 100_000 }, (_, n) => `n${n}=`).join('&')],
])('a form of %s is refused', (_, body) => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  expect(ask(null, { headers, body }).err?.code).toBe('form_too_long');
});

describe('multipart', () => {
  const TYPE = 'multipart/form-data; boundary=b';
  const parse = (bytes: Uint8Array, type = TYPE) => {
    const answer = ask(null, { headers: { 'content-type': type }, ...bodyParts(bytes) });
    return answer.err ?? eventOf(answer)?.payload;
  };
  const part = (head: string, content: string) => `--b\r\n${head}\r\n\r\n${content}\r\n`;
  const field = (name: string, content: string) =>
    part(`Content-Disposition: form-data; name="${name}"`, content);
  const bytesOf = (text: string, encoding: 'utf8' | 'latin1' = 'utf8') =>
    new Uint8Array(Buffer.from(text, encoding));

  test('is an object of its fields, lists where a name comes again, files as base64', () => {
    const body = [
      field('a', '1'),
      field('tag', 'x'),
      field('tag', 'é "😀"\r\n-- b\r\n'),
      part(
        'content-disposition: FORM-DATA; filename="ä \\"1\\".txt"; name=file\r\ncontent-type: text/plain',
        'hi',
      ),
      field('__proto__', ''),
    ];
    const text = ask(null, {
      headers: { 'content-type': TYPE },
      ...bodyParts(bytesOf(`preamble\r\n${body.join('')}--b--\r\nepilogue`)),
    });
    expect(JSON.stringify(eventOf(text)?.payload)).toBe(
      '{"a":"1","tag":["x","é \\"😀\\"\\r\\n-- b\\r\\n"],"file":{"filename":"ä \\"1\\".txt","content_type":"text/plain","size":2,"body_base64":"aGk="},"__proto__":""}',
    );
  });

  test('keeps bytes that are no text', () => {
    const body = `${field('a', '\xff\x00')}${part('content-disposition: form-data; name=f; filename=x', '\x80\r\n')}--b--`;
    expect(parse(bytesOf(body, 'latin1'))).toEqual({
      a: { content_type: null, size: 2, body_base64: '/wA=' },
      f: { filename: 'x', content_type: null, size: 3, body_base64: 'gA0K' },
    });
  });

  test('reads what a browser’s own writer writes, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.uint8Array({ maxLength: 60 })),
          {
            maxLength: 6,
            selector: ([name]) => name,
          },
        ),
        async (files) => {
          const form = new FormData();
          for (const [name, bytes] of files) form.append(name, new Blob([new Uint8Array(bytes)]), 'f');
          const sent = new Response(form);
          const got = parse(new Uint8Array(await sent.arrayBuffer()), sent.headers.get('content-type') ?? '');
          // The writer has line breaks in names as %0D%0A, which nobody turns back.
          const names = files.map(([name]) => name.replace(/\r\n|\r|\n/g, '%0D%0A'));
          expect(Object.keys(got as object).sort()).toEqual([...new Set(names)].sort());
          for (const [index, [, bytes]] of files.entries()) {
            const value = (got as Record<string, { body_base64: string }>)[names[index] ?? ''];
            if (!Array.isArray(value)) expect(value?.body_base64).toBe(Buffer.from(bytes).toString('base64'));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([
    ['no boundary', 'multipart/form-data', 'x', /without a boundary/],
    ['an empty boundary', 'multipart/form-data; boundary=""', 'x', /without a boundary/],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'b'.repeat(71)}`, 'x', /1 to 70/],
    ['no part', TYPE, 'x', /no part/],
    ['no end', TYPE, field('a', 'x'), /ends without/],
    ['half an end', TYPE, `${field('a', 'x')}--b-`, /behind it/],
    ['nothing after its first boundary', TYPE, '--b\r\n', /ends without/],
    ['a part without headers', TYPE, '--b\r\n\r\nx\r\n--b--', /empty line|names no field/],
    ['a part that is all headers', TYPE, `--b\r\nx: ${'y'.repeat(9000)}\r\n\r\nx\r\n--b--`, /8192/],
    ['a part without a name', TYPE, `${part('content-disposition: form-data', 'x')}--b--`, /names no field/],
    [
      'a part that is no field',
      TYPE,
      `${part('content-disposition: attachment; name=a', 'x')}--b--`,
      /names no field/,
    ],
    [
      '501 parts',
      TYPE,
      `${Array.from({ length: 501 }, (_, index) => field(`f${index}`, '')).join('')}--b--`,
      /more than 500/,
    ],
    ['100,000 boundaries', TYPE, '--b\r\n'.repeat(100_000), /multipart body/],
    ['1 MiB of line breaks', TYPE, `--b\r\n${'\r\n'.repeat(500_000)}`, /multipart body/],
    ['something behind a boundary', TYPE, '--bc\r\n', /behind it/],
  ])('with %s is refused, with what is wrong', (_, type, body, message) => {
    expect(parse(bytesOf(body), type)).toMatchObject({
      code: 'multipart_invalid',
      message: expect.stringMatching(message),
    });
  });

  test('any bytes at all are an event or a refusal', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '--b',
        '--b--',
        '\r\n',
        '\r\n\r\n',
        'content-disposition: form-data; name="a"',
        ';',
        '"',
        '\\',
        'x',
        '\xff',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const got = parse(bytesOf(pieces.join(''), 'latin1'));
        expect(got === null || typeof got === 'object').toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what the request itself says', () => {
  test('its type comes from a header or from its JSON, in small letters and without what no token may hold', () => {
    const byHeader = { type_from: { header: 'X-Kind' }, type_prefix: 'acme.' };
    const byJson = { type_from: { json: '$.events[1].kind' } };
    expect(eventOf(post(byHeader, {}, { headers: { 'x-kind': 'Orders/Create Now' } }))?.event_type).toBe(
      'acme.orders.create_now',
    );
    expect(eventOf(post(byJson, { events: [{ kind: 'a' }, { kind: 'B:c' }] }))?.event_type).toBe('b.c');
    expect(eventOf(post(byJson, { events: [{}, { kind: 42 }] }))?.event_type).toBe('42');
    expect(eventOf(post(byJson, { events: [{}, { kind: 'a.result' }] }))?.event_type).toBe('a.result_');
  });

  test('where it says none, the path, the config and the handler decide as before', () => {
    const config = { type_from: { json: 'kind' }, type_prefix: 'acme.' };
    for (const body of [{}, { kind: null }, { kind: {} }, { kind: '' }, [], 'null']) {
      expect(eventOf(post(config, body))?.event_type).toBe('acme.a.b');
      expect(eventOf(post(config, body, { handler: null, event_type: 'from.path' }))?.event_type).toBe(
        'from.path',
      );
      expect(eventOf(post({ ...config, event_type: 'from.config' }, body))?.event_type).toBe('from.config');
    }
  });

  test.each(['a..b', '.', 'a.'.repeat(9), 'x'.repeat(129), '\u202ea..', '\r\n.'])(
    'a type %j is refused',
    (kind) => {
      expect(post({ type_from: { json: 'kind' } }, { kind }).err?.code).toBe('event_type_invalid');
    },
  );

  test.each(['Größe', 'a\u200bb', 'a\u202eb', 'a\r\nb', 'a b', '💥'])(
    'of a type %j nothing unseen is left',
    (kind) => {
      expect(eventOf(post({ type_from: { json: 'kind' } }, { kind }))?.event_type).toMatch(/^[a-z0-9_.-]+$/);
    },
  );

  test('its key comes from a header or from its JSON, and else from idempotency-key', () => {
    const headers = { 'idempotency-key': 'sent' };
    expect(eventOf(post({ id_from: { json: 'id' } }, { id: 7 }, { headers }))?.idempotency_key).toBe('7');
    expect(
      eventOf(post({ id_from: { header: 'X-Id' } }, {}, { headers: { ...headers, 'x-id': 'é' } }))
        ?.idempotency_key,
    ).toBe('é');
    expect(eventOf(post({ id_from: { header: 'X-Id' } }, {}, { headers }))?.idempotency_key).toBe('sent');
    expect(post({ id_from: { json: 'id' } }, { id: 'x'.repeat(1025) }).err).toMatchObject({
      code: 'idempotency_key_invalid',
      message: expect.stringMatching(/got 1025/),
    });
  });

  test('parts of it stand beside the body where the config lists them', () => {
    const config = { envelope: { headers: ['X-A', 'x-b'], method: true, path: true, query: true } };
    const parts = {
      method: 'PUT',
      path: '/p',
      query: { q: '"1"', __proto__: undefined },
      headers: { 'x-a': '\\"é', 'x-c': 'no' },
    };
    expect(eventOf(post(config, [1], parts))?.payload).toEqual({
      body: [1],
      method: 'PUT',
      path: '/p',
      handler: 'a.b',
      query: { q: '"1"' },
      headers: { 'x-a': '\\"é' },
    });
    expect(eventOf(post({ envelope: {} }, [1]))?.payload).toEqual({ body: [1] });
  });
});

describe('a body that is a list', () => {
  const config = { batch: true, type_from: { json: 'kind' }, id_from: { json: 'id' } };

  test('is an event an element, each with its own type and key', () => {
    const { ok } = post(config, [{ kind: 'a', id: 1 }, { kind: 'b', id: 'two' }, 3]);
    expect(ok?.events).toEqual([
      { event_type: 'a', idempotency_key: '1', payload: { kind: 'a', id: 1 } },
      { event_type: 'b', idempotency_key: 'two', payload: { kind: 'b', id: 'two' } },
      { event_type: 'a.b', payload: 3 },
    ]);
  });

  test('has a key for each element of one that was sent for all', () => {
    const headers = { 'idempotency-key': 'k' };
    expect(post({ batch: true }, [1, 1], { headers }).ok?.events.map((each) => each.idempotency_key)).toEqual(
      ['k/0', 'k/1'],
    );
  });

  test('is one event where the config does not say so, and no event where it is empty', () => {
    expect(post(null, [1, 2]).ok?.events).toHaveLength(1);
    expect(post(config, '[ ]').ok?.events).toEqual([]);
    expect(post(config, { kind: 'a' }).ok?.events).toHaveLength(1);
  });

  test('takes 1,000 elements and refuses 1,001; one that is wrong refuses all', () => {
    expect(
      post(
        config,
        Array.from({ length: 1000 }, () => 1),
      ).ok?.events,
    ).toHaveLength(1000);
    expect(
      post(
        config,
        Array.from({ length: 1001 }, () => 1),
      ).err?.code,
    ).toBe('batch_too_long');
    expect(post(config, [{ kind: 'a' }, { kind: '..' }]).err).toMatchObject({
      code: 'event_type_invalid',
      message: expect.stringMatching(/element 1 of the list/),
    });
  });
});

describe('presets', () => {
  test.each<[string, unknown, Record<string, string>, string, string | undefined]>([
    [
      'github',
      { ref: 'main' },
      headersOf('github', '', '', { event: 'pull_request', id: 'guid-1' }),
      'github.pull_request',
      'guid-1',
    ],
    [
      'stripe',
      { id: 'evt_1', type: 'customer.subscription.created' },
      {},
      'stripe.customer.subscription.created',
      'evt_1',
    ],
    [
      'shopify',
      { id: 1 },
      headersOf('shopify', '', '', { event: 'orders/create', id: 'hook-1' }),
      'shopify.orders.create',
      'hook-1',
    ],
    [
      'slack',
      { type: 'event_callback', event_id: 'Ev1', event: { type: 'app_mention' } },
      {},
      'slack.app_mention',
      'Ev1',
    ],
    [
      'standard-webhooks',
      { type: 'user.created', data: {} },
      { 'webhook-id': 'msg_1' },
      'user.created',
      'msg_1',
    ],
  ])('%s has its type and its delivery’s id as key', (preset, body, headers, type, key) => {
    const expected = { event_type: type, idempotency_key: key, payload: body };
    expect(eventOf(post({ preset }, body, { headers }))).toEqual(expected);
    expect(eventOf(post({ preset: 'by-signature' }, body, { headers, verified: preset }))).toEqual(expected);
    expect(eventOf(post({ preset: 'by-signature' }, body, { headers, verified: 'other' }))?.event_type).toBe(
      'a.b',
    );
    expect(eventOf(post({ preset, type_prefix: 'x.' }, body, { headers }))?.event_type).toBe(
      `x.${type.replace(/^(github|stripe|shopify|slack)\./, '')}`,
    );
  });

  test('GitHub’s and Slack’s forms are the JSON in them', () => {
    const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-github-event': 'push' };
    const payload = JSON.stringify({ type: 'block_actions', actions: [1] });
    expect(eventOf(ask({ preset: 'github' }, { headers, body: form({ payload }) }))).toMatchObject({
      event_type: 'github.push',
      payload: { actions: [1] },
    });
    expect(eventOf(ask({ preset: 'slack' }, { headers, body: form({ payload }) }))).toMatchObject({
      event_type: 'slack.block_actions',
      payload: { actions: [1] },
    });
    const command = form({ command: '/order', text: '42' });
    expect(eventOf(ask({ preset: 'slack' }, { headers, body: command }))).toMatchObject({
      event_type: 'slack.command',
      payload: { text: '42' },
    });
    expect(eventOf(ask({ preset: 'github' }, { headers, body: form({ payload: '{' }) }))?.payload).toEqual({
      payload: '{',
    });
  });

  test('CloudEvents come in all three modes', () => {
    const config = { preset: 'cloudevents' };
    const event = {
      specversion: '1.0',
      type: 'com.example.Order',
      source: '/shop',
      id: '1',
      time: '2026-11-24T09:00:00Z',
    };
    const { data, ...attributes } = { ...event, data: { n: 1 } };
    const expected = {
      event_type: 'com.example.order',
      idempotency_key: '/shop 1',
      payload: data,
      metadata: { cloudevent: attributes },
    };
    const structured = { 'content-type': 'application/cloudevents+json' };
    expect(eventOf(post(config, { ...event, data }, { headers: structured }))).toEqual(expected);
    const batch = { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' };
    expect(
      post(
        config,
        [
          { ...event, data },
          { ...event, id: '2', data_base64: 'aGk=' },
        ],
        { headers: batch },
      ).ok?.events,
    ).toEqual([
      expected,
      {
        event_type: 'com.example.order',
        idempotency_key: '/shop 2',
        payload: 'aGk=',
        metadata: { cloudevent: { ...attributes, id: '2', encoding: 'base64' } },
      },
    ]);
    const headers = Object.fromEntries(Object.entries(event).map(([name, value]) => [`ce-${name}`, value]));
    expect(eventOf(post(config, data, { headers }))).toEqual(expected);
    expect(post(config, { type: 'a' }).err?.code).toBe('cloudevent_invalid');
  });
});

describe('handshakes', () => {
  test('Slack’s challenge is given back, and is no event', () => {
    const body = { type: 'url_verification', token: 't', challenge: '3eZbrw1a<b>"' };
    expect(post({ preset: 'slack' }, body).ok).toEqual({
      events: [],
      response: {
        status: 200,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: '3eZbrw1a<b>"',
      },
    });
    expect(post({ preset: 'slack' }, { type: 'url_verification' }).err?.code).toBe('handshake_invalid');
    expect(post(null, body).ok?.response).toBeUndefined();
  });

  test('WebSub’s is answered for topics of the config, and for no other', () => {
    const config = { websub: { topics: ['https://example.com/feed'] } };
    const verify = (query: Record<string, string>) => {
      const answer = ask(config, { method: 'GET', query });
      return answer.err?.code ?? [answer.ok?.response?.status, answer.ok?.response?.body];
    };
    const query = { 'hub.mode': 'subscribe', 'hub.topic': 'https://example.com/feed', 'hub.challenge': 'c1' };
    expect(verify(query)).toEqual([200, 'c1']);
    expect(verify({ ...query, 'hub.mode': 'unsubscribe' })).toEqual([200, 'c1']);
    expect(verify({ ...query, 'hub.mode': 'denied' })).toEqual([200, '']);
    expect(verify({ ...query, 'hub.topic': 'https://example.com/other' })).toEqual([
      404,
      'This topic is not subscribed to here.',
    ]);
    expect(verify({ ...query, 'hub.mode': 'x' })).toBe('handshake_invalid');
    expect(eventOf(ask(config, { method: 'GET', query: {} }))?.event_type).toBe('a.b');
    expect(eventOf(ask(null, { method: 'GET', query }))?.event_type).toBe('a.b');
  });

  test('CloudEvents’ OPTIONS is told yes for origins of the config, and nothing for others', () => {
    const asked = (config: unknown, origin = 'eventemitter.example.com') =>
      ask(config, { method: 'OPTIONS', headers: { 'webhook-request-origin': origin } }).ok;
    const some = { cloudevents: { origins: ['eventemitter.example.com'], rate: 120 } };
    expect(asked(some)).toEqual({
      events: [],
      response: {
        status: 200,
        headers: {
          'webhook-allowed-origin': 'eventemitter.example.com',
          'webhook-allowed-rate': '120',
          allow: 'POST',
        },
        body: '',
      },
    });
    expect(asked(some, 'evil.example')?.response?.headers).toEqual({});
    expect(asked({ cloudevents: { origins: ['*'] } })?.response?.headers).toMatchObject({
      'webhook-allowed-origin': '*',
      'webhook-allowed-rate': '*',
    });
    expect(asked(null)?.events).toHaveLength(1);
  });
});

describe('the config’s response', () => {
  const parts = { query: { name: '<"é&\'>' }, headers: { 'x-a': 'h' } };
  const answered = (response: unknown, body: unknown = { n: 1, s: '"' }) =>
    post({ response }, body, parts).ok;

  test('is the answer, filled in so that its body stays of its type', () => {
    const body =
      '{"t":"{{ event_type }}","n":"{{json.n}}","s":"{{json.s}}","q":"{{ query.name }}","h":"{{headers.x-a}}{{ json.none }}{{unknown}}"}';
    const json = answered({ status: 201, headers: { 'Content-Type': 'application/json', 'X-B': 'c' }, body });
    expect(json?.events).toHaveLength(1);
    expect(json?.response).toMatchObject({
      status: 201,
      headers: { 'content-type': 'application/json', 'x-b': 'c' },
    });
    expect(JSON.parse(json?.response?.body ?? '')).toEqual({
      t: 'a.b',
      n: '1',
      s: '"',
      q: '<"é&\'>',
      h: 'h',
    });
    const html = answered({ headers: { 'content-type': 'text/html' }, body: '<p>{{query.name}}</p>' });
    expect(html?.response?.body).toBe('<p>&lt;&quot;é&amp;&#39;&gt;</p>');
    expect(answered({ body: '{{query.name}} {{' })?.response).toEqual({
      status: 200,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      body: '<"é&\'> {{',
    });
    expect(answered({ status: 204 })?.response).toEqual({ status: 204, headers: {}, body: '' });
  });
});

test.each<[unknown, RegExp]>([
  [{ type_form: {} }, /"type_form" is unknown/],
  [[], /an object was expected/],
  [{ event_type: 1 }, /^The provider's config: event_type/],
  [{ type_from: 'path' }, /type_from/],
  [{ type_from: { header: '' } }, /type_from/],
  [{ type_from: { header: 'a', json: 'b' } }, /type_from/],
  [{ id_from: { body: 'a' } }, /id_from/],
  [{ type_prefix: 'GitHub.' }, /type_prefix/],
  [{ type_prefix: '..' }, /type_prefix/],
  [{ preset: 'gitlab' }, /one of github, stripe/],
  [{ batch: 'yes' }, /batch: true or false/],
  [{ envelope: true }, /envelope: an object/],
  [{ envelope: { header: [] } }, /"envelope.header" is unknown/],
  [{ envelope: { headers: [1] } }, /envelope.headers/],
  [{ response: { status: 199 } }, /response.status/],
  [{ response: { body: {} } }, /response.body/],
  [{ response: { headers: { a: 1 } } }, /response.headers/],
  [{ websub: {} }, /websub.topics/],
  [{ cloudevents: { rate: 1 } }, /cloudevents.origins/],
  [{ cloudevents: { origins: ['*'], rate: 0 } }, /cloudevents.rate/],
])('a config %j is refused with its key', (config, message) => {
  expect(post(config, {}).err).toMatchObject({
    code: 'config_invalid',
    message: expect.stringMatching(message),
  });
});

test('memory stays over requests of every kind', () => {
  const guest = withConfig({
    batch: true,
    preset: 'github',
    envelope: { headers: ['x-a'], query: true },
    response: { body: '{{json.a}}' },
  });
  const multipart = '--b\r\ncontent-disposition: form-data; name=a; filename=b\r\n\r\nxyz\r\n--b--';
  const requests = [
    requestText({
      handler: 'a',
      headers: { ...JSON_TYPE, 'x-github-event': 'push' },
      body: '[{"a":1},{"a":2}]',
    }),
    requestText({
      handler: 'a',
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: multipart,
    }),
    requestText({
      handler: 'a',
      headers: { 'content-type': 'multipart/form-data; boundary=c' },
      body: multipart,
    }),
  ];
  const round = (count: number): void => {
    for (let at = 0; at < count; at += 1) for (const request of requests) guest.call('ingest', request);
  };
  round(500);
  const settled = guest.memoryBytes;
  round(3000);
  expect(guest.memoryBytes).toBe(settled);
});
