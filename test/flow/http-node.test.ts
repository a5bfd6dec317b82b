import { describe, expect, test } from 'vitest';
import type { Json } from '../../host/event/json.ts';
import { spanId, traceparent } from '../../host/event/trace.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import { HttpGrant, httpGrantShape } from '../../host/grant/http-grant.ts';
import type { EffectAnswer, RunOutcome } from '../../host/sandbox/protocol.ts';
import { EVENT, type Harness, harness, journalOf, outputOf, RUN, run } from './harness.ts';

const grants: Grants = {
  ...NO_GRANTS,
  http: new HttpGrant(
    httpGrantShape.parse({ hosts: ['api.example.com'], methods: ['GET', 'POST', 'PUT', 'HEAD'] }),
  ),
};
const reach: FlowReach = { ...NO_REACH, grants };

interface Response {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly body_encoding?: 'utf8' | 'base64';
}

function answer(response: Response): EffectAnswer {
  const whole = { status: 200, headers: {}, body: '', body_encoding: 'utf8', ...response };
  return { kind: 'ok', output: JSON.stringify(whole) };
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** One http node, then a node that gives what the run sees of it. */
function send(config: string, h: Harness, response: Response = {}, more = ''): Promise<RunOutcome> {
  h.answerEffect = async () => answer(response);
  return run(`- { id: a, type: http, config: ${config}${more} }`, h, { reach });
}

function requestOf(h: Harness): Record<string, Json> {
  expect(h.effects).toHaveLength(1);
  return JSON.parse(h.effects[0]?.args[0] ?? '') as Record<string, Json>;
}

test('a redelivery asks for the same effect with the same span, in the trace of its event', async () => {
  const [first, again] = [harness(), harness(9_000)];
  for (const h of [first, again]) await send('{ url: "https://api.example.com/" }', h);
  expect(first.effects[0]?.trace).toBe(
    traceparent('a'.repeat(32), spanId('effect', first.effects[0]?.key ?? '')),
  );
  expect(again.effects[0]?.trace).toBe(first.effects[0]?.trace);
});

describe('the request', () => {
  test("goes to the broker as a plugin's does, in the name of the flow", async () => {
    const h = harness();
    await send('{ url: "https://api.example.com/orders/{{ event.payload.order.id }}" }', h);
    expect(h.effects).toEqual([
      {
        capability: 'http',
        fn: 'send',
        args: [expect.any(String)],
        source: 'flow:orders',
        run: { runId: RUN, flow: 'orders', node: 'a', journal: [] },
        events: [],
        key: expect.stringMatching(/^[0-9a-f]{32}$/),
        trace: expect.stringMatching(/^00-a{32}-[0-9a-f]{16}-01$/),
      },
    ]);
    expect(requestOf(h)).toEqual({
      method: 'GET',
      url: 'https://api.example.com/orders/42',
      headers: {},
      timeout_ms: 30_000,
    });
  });

  test.each<[string, Record<string, Json>]>([
    [
      '{ url: "https://api.example.com/", body: "as {{ event.payload.name }}", method: POST }',
      { body: 'as Ann' },
    ],
    [
      '{ url: "https://api.example.com/", body: { id: "{{ event.payload.order.id }}" }, method: POST }',
      { body: '{"id":42}', headers: { 'content-type': 'application/json' } },
    ],
    [
      '{ url: "https://api.example.com/", body: [1], headers: { Content-Type: application/vnd.api+json }, method: POST }',
      { body: '[1]', headers: { 'Content-Type': 'application/vnd.api+json' } },
    ],
    ['{ url: "https://api.example.com/", body: "{{ null }}", method: PUT }', { body: 'null' }],
    [
      '{ url: "https://api.example.com/", headers: { X-N: "{{ 5 }}", x-b: true, x-none: "{{ null }}" } }',
      { headers: { 'X-N': '5', 'x-b': 'true' } },
    ],
    [
      '{ url: "https://api.example.com/a?b=%20c", query: { q: "x&y=z {{ event.payload.name }}", n: 1, none: "{{ null }}", list: "{{ [1, 2] }}" } }',
      { url: 'https://api.example.com/a?b=%20c&q=x%26y%3Dz+Ann&n=1&list=1&list=2' },
    ],
    ['{ url: "https://api.example.com/", timeout: 2s }', { timeout_ms: 2000 }],
    ['{ url: "https://api.example.com/", timeout: 5m }', { timeout_ms: 30_000 }],
    ['{ url: "{{ \'https://api.example.com/\' }}", auth: API_KEY }', { auth: 'API_KEY' }],
    ['{ url: "https://api.example.com/", method: "{{ \'PUT\' }}" }', { method: 'PUT' }],
  ])('%s', async (config, expected) => {
    const h = harness();
    expect((await send(config, h)).error).toBeUndefined();
    expect(requestOf(h)).toMatchObject(expected);
  });

  test.each([
    ['{ url: "{{ 5 }}" }', 'url: a text was expected; the number 5 came'],
    ['{ url: "{{ event.payload }}" }', 'url: a text was expected; a map came'],
    ['{ url: "https://api.example.com/", method: "{{ 1 }}" }', 'method: a text was expected; the number 1'],
    [
      '{ url: "https://api.example.com/", headers: { x: "{{ event.payload }}" } }',
      'headers.x: a text, a number, true or false was expected; a map came',
    ],
    [
      '{ url: "https://api.example.com/", query: { x: "{{ [[1]] }}" } }',
      'query.x: a text, a number, true or false was expected; a list came',
    ],
    ['{ url: "{{ event.payload.name }}", query: { x: 1 } }', 'url: an absolute URL was expected'],
  ])('%s is refused before it reaches the broker', async (config, message) => {
    const h = harness();
    const { error } = await send(config, h);
    expect(error).toMatchObject({ code: 'http_request_invalid', retryable: false, node: 'a' });
    expect(error?.message).toContain(message);
    expect(h.effects).toEqual([]);
  });

  test('a request that is larger than what crosses to the host is refused', async () => {
    const h = harness();
    const event = { payload: { text: 'x'.repeat(600_000) } };
    const body = Array.from({ length: 8 }, () => '{{ event.payload.text }}').join('');
    const nodes = `- { id: a, type: http, config: { url: "https://api.example.com/", method: POST, body: "${body}" } }`;
    const { error } = await run(nodes, h, { reach, event });
    expect(error).toMatchObject({ code: 'http_request_too_large' });
    expect(h.effects).toEqual([]);
  });

  test('has a key that is the same on every attempt and another for each step', async () => {
    const keyOf = async (config: string): Promise<string | undefined> => {
      const h = harness();
      await send(config, h);
      return h.effects[0]?.key;
    };
    const first = await keyOf('{ url: "https://api.example.com/", method: POST }');
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(await keyOf('{ url: "https://api.example.com/", method: POST, body: other }')).toBe(first);

    const h = harness();
    h.answerEffect = async () => answer({});
    await run(
      `
- { id: a, type: http, config: { url: "https://api.example.com/", method: POST }, next: b }
- { id: b, type: http, config: { url: "https://api.example.com/", method: POST } }
`,
      h,
      { reach },
    );
    expect(new Set(h.effects.map(({ key }) => key)).size).toBe(2);
  });
});

describe('the answer', () => {
  test.each<[string, Response, Json]>([
    ['JSON by its type', { headers: JSON_TYPE, body: '{ "a": 1.0 }' }, { a: 1 }],
    ['JSON with a suffix', { headers: { 'content-type': 'application/problem+json' }, body: '[1]' }, [1]],
    ['text that looks like JSON', { headers: { 'content-type': 'text/plain' }, body: '{"a":1}' }, '{"a":1}'],
    ['text without a type', { body: 'hello' }, 'hello'],
    ['an empty body of type JSON', { status: 204, headers: JSON_TYPE }, null],
  ])('%s', async (_, response, body) => {
    const h = harness();
    const output = outputOf(await send('{ url: "https://api.example.com/" }', h, response));
    expect(output).toEqual({ status: response.status ?? 200, headers: response.headers ?? {}, body });
  });

  test('what is no text stays base64 and says so', async () => {
    const response = { headers: JSON_TYPE, body: 'gA==', body_encoding: 'base64' } as const;
    expect(outputOf(await send('{ url: "https://api.example.com/" }', harness(), response))).toMatchObject({
      body: 'gA==',
      body_encoding: 'base64',
    });
  });

  test('is in scope as http_response, as input, under its step and its own name, in CEL and in scripts', async () => {
    const h = harness();
    h.answerEffect = async () => answer({ status: 200, headers: JSON_TYPE, body: '{"n":7}' });
    const outcome = await run(
      `
- { id: a, type: http, config: { url: "https://api.example.com/" }, output: own, next: b }
- { id: b, type: transform, config: { value: ["{{ http_response.body.n }}", "{{ input.status }}", "{{ steps.a.body.n }}", "{{ own.body.n }}"] }, next: c }
- { id: c, type: script, config: { script: scope } }
`,
      h,
      { reach },
    );
    const scope = outputOf(outcome) as Record<string, Json>;
    expect(scope.input).toEqual([7, 200, 7, 7]);
    expect(scope.http_response).toEqual({ status: 200, headers: JSON_TYPE, body: { n: 7 } });
    expect(scope.own).toEqual(scope.http_response);
  });

  test.each([
    ['too long', `"${'x'.repeat(2000)}"`, 'json_too_large'],
    ['too deep', `${'['.repeat(9)}${']'.repeat(9)}`, 'json_too_deep'],
    ['of too many elements', JSON.stringify(Array.from({ length: 60 }, () => 1)), 'json_too_many_elements'],
    ['broken', '{"a":', 'http_response_invalid'],
  ])('JSON that is %s fails the node', async (_, body, code) => {
    const h = harness();
    h.answerEffect = async () => answer({ headers: JSON_TYPE, body });
    const nodes = '- { id: a, type: http, config: { url: "https://api.example.com/" } }';
    const limits = { maxEventBytes: 1000, maxJsonDepth: 8, maxJsonElements: 50 };
    expect((await run(nodes, h, { reach, limits })).error).toMatchObject({ code, node: 'a' });
    expect(h.records).toEqual([]);
  });

  test('text that is longer than any output fails the node', async () => {
    const h = harness();
    h.answerEffect = async () => answer({ body: 'x'.repeat(2000) });
    const nodes = '- { id: a, type: http, config: { url: "https://api.example.com/" } }';
    expect((await run(nodes, h, { reach, limits: { maxEventBytes: 1000 } })).error?.code).toBe(
      'json_too_large',
    );
  });
});

describe('expect', () => {
  const url = 'url: "https://api.example.com/a?secret=1"';

  test.each([
    [`{ ${url} }`, 200, undefined],
    [`{ ${url} }`, 204, undefined],
    [`{ ${url} }`, 302, false],
    [`{ ${url} }`, 404, false],
    [`{ ${url} }`, 408, true],
    [`{ ${url} }`, 425, true],
    [`{ ${url} }`, 429, true],
    [`{ ${url} }`, 500, true],
    [`{ ${url} }`, 503, true],
    [`{ ${url}, expect: 404 }`, 404, undefined],
    [`{ ${url}, expect: 404 }`, 200, false],
    [`{ ${url}, expect: 5xx }`, 503, undefined],
    [`{ ${url}, expect: ["2xx", 404, "5xx"] }`, 404, undefined],
    [`{ ${url}, expect: ["2xx", 404, "5xx"] }`, 599, undefined],
    [`{ ${url}, expect: ["2xx", 404, "5xx"] }`, 403, false],
  ])('%s, answered with %i', async (config, status, retryable) => {
    const { error } = await send(config, harness(), { status });
    if (retryable === undefined) expect(error).toBeUndefined();
    else expect(error).toMatchObject({ code: 'http_status_unexpected', retryable, node: 'a' });
  });

  test('says what was asked and what was expected, without the query and the body', async () => {
    const h = harness();
    const { error } = await send(`{ ${url}, expect: [200, "3xx"] }`, h, { status: 404, body: 'secret=1' });
    expect(error?.message).toBe(
      'orders.ygtc:4: GET https://api.example.com/a was answered with status 404; 200 or 3xx was expected.',
    );
  });
});

describe('what a run did', () => {
  const nodes = `
- { id: a, type: transform, config: { value: 1 }, next: b }
- { id: b, type: http, config: { url: "https://api.example.com/", method: POST }, next: c }
- { id: c, type: transform, config: { value: "{{ http_response.body }}" } }
`;

  test('B3: is recorded before the next node starts', async () => {
    const h = harness();
    h.answerEffect = async () => answer({ body: 'done' });
    const recorded = Promise.withResolvers<EffectAnswer>();
    const asked = Promise.withResolvers<void>();
    h.answerRecord = () => {
      asked.resolve();
      return recorded.promise;
    };
    const running = run(nodes, h, { reach });
    await asked.promise;
    // Whatever was not held up has gone on by then.
    await new Promise(setImmediate);
    expect(h.guarded.some((label) => label.includes('node c'))).toBe(false);
    expect(h.records).toEqual([
      {
        runId: RUN,
        journal: [
          { ordinal: 0, entry: expect.stringContaining('"node":"a"') },
          { ordinal: 1, entry: expect.stringContaining('"node":"b"') },
        ],
      },
    ]);
    recorded.resolve({ kind: 'ok', output: 'null' });
    expect(outputOf(await running)).toBe('done');
  });

  test('B3: is not done again by a redelivered run, and is in scope there', async () => {
    const h = harness();
    h.answerEffect = async () => answer({ body: 'done' });
    const whole = await run(nodes, h, { reach });
    const journal = h.records.flatMap((record) => record.journal.map(({ entry }) => entry));
    const again = harness();
    const resumed = await run(nodes, again, { reach, journal });
    expect(again.effects).toEqual([]);
    expect(resumed.output).toBe(whole.output);
    expect(journalOf(resumed).map((entry) => entry.node)).toEqual(['a', 'b', 'c']);
  });

  test('and could not record fails it, to be tried again', async () => {
    const h = harness();
    h.answerEffect = async () => answer({});
    h.answerRecord = async () => ({
      kind: 'problem',
      problem: { code: 'bus_unavailable', message: 'The disk is busy.', retryable: true },
    });
    const outcome = await run(nodes, h, { reach });
    expect(outcome.error).toMatchObject({ code: 'bus_unavailable', retryable: true, node: 'b' });
    expect(journalOf(outcome).map(({ node, status }) => [node, status])).toEqual([
      ['a', 'ok'],
      ['b', 'error'],
    ]);
  });

  test('is counted over all of its deliveries', async () => {
    const h = harness();
    h.answerEffect = async () => answer({});
    const three = `
- { id: a, type: http, config: { url: "https://api.example.com/" }, next: b }
- { id: b, type: publish, config: { event_type: x, payload: 1 }, next: c }
- { id: c, type: http, config: { url: "https://api.example.com/" } }
`;
    const limits = { maxEffectsPerRun: 2 };
    expect((await run(three, h, { reach, limits })).error).toMatchObject({
      code: 'flow_too_many_effects',
      node: 'c',
    });
    const journal = [
      ...h.records.flatMap((record) => record.journal),
      ...h.effects.flatMap((effect) => effect.run?.journal ?? []),
    ].map(({ entry }) => entry);
    const again = harness();
    expect((await run(three, again, { reach, limits, journal })).error?.code).toBe('flow_too_many_effects');
    expect(again.effects).toEqual([]);
  });

  test('a broker that does not answer fails the node at the wall, and an answer that comes later changes nothing', async () => {
    const h = harness();
    const late = Promise.withResolvers<EffectAnswer>();
    h.answerEffect = () => late.promise;
    const outcome = await run(nodes, h, { reach, limits: { effectCallWallMs: 1 } });
    expect(outcome.error).toMatchObject({ code: 'flow_effect_timeout', retryable: true, node: 'b' });
    late.resolve(answer({}));
    await late.promise;
    expect(h.records).toEqual([]);
  });

  test('what the broker refuses fails the node with its code', async () => {
    const h = harness();
    h.answerEffect = async () => ({
      kind: 'problem',
      problem: { code: 'http_busy', message: 'Too many requests are under way.', retryable: true },
    });
    expect((await run(nodes, h, { reach })).error).toMatchObject({ code: 'http_busy', retryable: true });
    expect(h.records).toEqual([]);
  });

  test('a node whose `when` is false asks nothing', async () => {
    const h = harness();
    const skipped = '- { id: a, type: http, config: { url: "https://api.example.com/" }, when: "false" }';
    expect((await run(skipped, h, { reach, event: EVENT })).error).toBeUndefined();
    expect(h.effects).toEqual([]);
  });
});
