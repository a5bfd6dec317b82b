import { describe, expect, test } from 'vitest';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { ScriptCompiler } from '../../host/flow/node/script.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { EffectAnswer } from '../../host/sandbox/protocol.ts';
import { type Entry, EVENT, flowOf, harness, journalOf, outputOf, RUN, run, scripts } from './harness.ts';

describe('scope', () => {
  test('nodes see event, headers, input, steps and named outputs', async () => {
    const outcome = await run(`
- id: a
  type: transform
  config: { value: { total: "{{ event.payload.order.total }}", before: "{{ input }}" } }
  output: first
  next: b
- id: b
  type: transform
  config:
    value: ["{{ input.total }}", "{{ steps.a.total * 2 }}", "{{ first.before }}", "{{ headers['x-github-event'] }}", "{{ event.metadata.hops + 1 }}"]
`);
    expect(outputOf(outcome)).toEqual([99.5, 199, null, 'push', 3]);
  });

  test('scripts get the same scope as JSON', async () => {
    const outcome = await run(`
- { id: a, type: transform, config: { value: 1 }, output: first, next: b }
- { id: b, type: script, config: { script: scope } }
`);
    expect(outputOf(outcome)).toEqual({
      event: EVENT,
      headers: { 'x-github-event': 'push' },
      input: 1,
      error: null,
      steps: { a: 1 },
      first: 1,
    });
  });

  test('headers are empty for an event that came by no request', async () => {
    const event = { metadata: { trace_id: 'a'.repeat(32), correlation_id: 'c', hops: 0 } };
    const outcome = await run(
      `- { id: a, type: transform, config: { value: "{{ headers.size() }}" } }`,
      harness(),
      { event },
    );
    expect(outputOf(outcome)).toBe(0);
  });

  test("a script's clock is the event's time, and its seed is the run's, so a redelivery computes the same", async () => {
    const nodes = `
- { id: a, type: script, config: { script: clock }, next: b }
- { id: b, type: script, config: { script: clock } }
`;
    const first = journalOf(await run(nodes)).map((entry) => entry.output as { now: number; seed: number });
    const second = journalOf(await run(nodes)).map((entry) => entry.output);
    expect(second).toEqual(first);
    expect(first[0]?.now).toBe(EVENT.timestamp);
    expect(first[0]?.seed).not.toBe(first[1]?.seed);
  });

  test('all tenant code runs inside a guard that names flow and node', async () => {
    const h = harness();
    await run(
      `
- { id: a, type: script, config: { script: scope }, when: "true", next: b }
- { id: b, type: branch, config: { conditions: [{ expression: "false", next: end }, { expression: "true", next: c }] } }
- { id: c, type: transform, config: { value: "{{ 1 }}" } }
`,
      h,
    );
    const [a, b, c] = ['flow orders, node a', 'flow orders, node b', 'flow orders, node c'];
    // The first is the script's compilation, which runs the helpers.
    expect(h.guarded).toEqual([a, a, a, b, b, c]);
  });
});

describe('branch and when', () => {
  const branch = `
- id: a
  type: branch
  config:
    conditions:
      - { expression: "event.payload.missing.deep == 1", next: b }
      - { expression: "event.event_type == 'order.created'", to: c }
    default: b
- { id: b, type: transform, config: { value: b } }
- { id: c, type: transform, config: { value: c } }
`;
  test('the first condition that holds decides, and a missing key is false and noted', async () => {
    const outcome = await run(branch);
    expect(outputOf(outcome)).toBe('c');
    expect(journalOf(outcome)).toMatchObject([
      {
        node: 'a',
        status: 'ok',
        next: 'c',
        notes: ['`event.payload.missing.deep == 1`: no such key: missing.'],
      },
      { node: 'c', status: 'ok', next: null, output: 'c' },
    ]);
  });

  test('default is taken where no condition holds', async () => {
    expect(outputOf(await run(branch, harness(), { event: { event_type: 'order.paid' } }))).toBe('b');
  });

  test('without a default the node goes to its own next', async () => {
    const outcome = await run(`
- { id: a, type: branch, config: { conditions: [{ expression: "false", next: end }] }, next: b }
- { id: b, type: transform, config: { value: "{{ input == null }}" } }
`);
    expect(outputOf(outcome)).toBe(true);
  });

  test('any other error of a condition fails the node', async () => {
    const outcome = await run(
      `- { id: a, type: branch, config: { conditions: [{ expression: "event.payload.name > 3", next: end }] } }`,
    );
    expect(outcome).toMatchObject({
      status: 'error',
      error: { code: 'expression_failed', node: 'a', retryable: false },
    });
    expect(outcome.error?.message).toMatch(/^orders\.ygtc:4: .*no such overload/);
  });

  test('a node whose `when` is false is passed over, and its input goes on', async () => {
    const outcome = await run(`
- { id: a, type: transform, config: { value: 7 }, next: b }
- { id: b, type: transform, config: { value: 8 }, when: "event.payload.nope > 3", output: named, next: c }
- { id: c, type: transform, config: { value: ["{{ input }}", "{{ has(steps.b) }}"] } }
`);
    expect(outputOf(outcome)).toEqual([7, false]);
    expect(journalOf(outcome)[1]).toMatchObject({ node: 'b', status: 'skipped', next: 'c' });
  });

  test('an output that was never made is a missing key', async () => {
    const outcome = await run(`
- { id: a, type: transform, config: { value: 8 }, when: "false", output: named, next: b }
- { id: b, type: branch, config: { conditions: [{ expression: "named == 8", next: end }] }, next: c }
- { id: c, type: transform, config: { value: "{{ named }}" } }
`);
    expect(outcome.error).toMatchObject({ code: 'expression_key_missing', node: 'c' });
    expect(outcome.error?.message).toContain('nothing was put into named yet');
  });
});

describe('publish', () => {
  const nodes = `
- { id: a, type: transform, config: { value: 1 }, next: b }
- { id: b, type: publish, config: { event_type: "order.{{ event.payload.name == 'Ann' ? 'seen' : 'lost' }}", payload: { id: "{{ event.payload.order.id }}" } }, next: c }
- { id: c, type: transform, config: { value: "{{ input }}" } }
`;

  test('an event carries on trace and correlation, names its cause, and is one hop further', async () => {
    const h = harness();
    const outcome = await run(nodes, h);
    expect(h.effects).toHaveLength(1);
    const [published] = h.effects[0]?.events ?? [];
    expect(JSON.parse(published?.json ?? '')).toEqual({
      id: published?.id,
      event_type: 'order.seen',
      source: 'flow:orders',
      timestamp: expect.any(Number),
      payload: { id: 42 },
      metadata: { trace_id: 'a'.repeat(32), correlation_id: 'c1', causation_id: 'e1', hops: 3 },
    });
    expect(outputOf(outcome)).toEqual({ id: published?.id, event_type: 'order.seen' });
  });

  test('the outcomes since the last effect travel with the effect, its own at the end', async () => {
    const h = harness();
    const outcome = await run(nodes, h);
    const sent = h.effects[0]?.run;
    expect(sent).toMatchObject({ runId: RUN, flow: 'orders', node: 'b' });
    expect(sent?.journal.map(({ ordinal, entry }) => [ordinal, (JSON.parse(entry) as Entry).node])).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
    expect(journalOf(outcome).map((entry) => entry.node)).toEqual(['a', 'b', 'c']);
    expect(journalOf(outcome)[1]).toEqual(JSON.parse(sent?.journal[1]?.entry ?? ''));
  });

  test('B3: a redelivered run goes on after the last recorded node and repeats no effect', async () => {
    const first = harness();
    const whole = await run(nodes, first);
    const journal = first.effects[0]?.run?.journal.map(({ entry }) => entry) ?? [];
    const second = harness();
    const resumed = await run(nodes, second, { journal });
    expect(second.effects).toEqual([]);
    expect(resumed.output).toBe(whole.output);
    expect(journalOf(resumed).map((entry) => entry.node)).toEqual(['a', 'b', 'c']);
  });

  test('a repeated run publishes under the same id, another node under another', async () => {
    const [first, second] = [harness(), harness()];
    await run(nodes, first);
    await run(nodes, second);
    expect(second.effects[0]?.events[0]?.id).toBe(first.effects[0]?.events[0]?.id);
    const twice = harness();
    await run(
      `
- { id: a, type: publish, config: { event_type: x, payload: 1 }, next: b }
- { id: b, type: publish, config: { event_type: x, payload: 1 } }
`,
      twice,
    );
    expect(new Set(twice.effects.map((effect) => effect.events[0]?.id)).size).toBe(2);
    expect(twice.effects.map((effect) => effect.run?.journal.length)).toEqual([1, 1]);
  });

  test('an id that the flow gives is used', async () => {
    const h = harness();
    await run(
      `- { id: a, type: publish, config: { event_type: x, payload: null, id: "order-{{ event.payload.order.id }}" } }`,
      h,
    );
    expect(h.effects[0]?.events[0]?.id).toBe('order-42');
  });

  test('what the broker refuses fails the node with its code, and nothing counts as done', async () => {
    const h = harness();
    h.answerEffect = async () => ({
      kind: 'problem',
      problem: { code: 'capability_denied', message: 'order.seen is not granted.', retryable: false },
    });
    const outcome = await run(nodes, h);
    expect(outcome.error).toMatchObject({ code: 'capability_denied', node: 'b', retryable: false });
    expect(journalOf(outcome)).toMatchObject([{ node: 'a' }, { node: 'b', status: 'error', next: null }]);
  });

  test('an effect whose answer is lost fails the run and may be tried again', async () => {
    const h = harness();
    h.answerEffect = async () => ({
      kind: 'problem',
      problem: { code: 'bus_unavailable', message: 'The disk is full.', retryable: true },
    });
    expect((await run(nodes, h)).error).toMatchObject({ code: 'bus_unavailable', retryable: true });
    h.answerEffect = () => Promise.reject(new Error('the cell is closing'));
    expect((await run(nodes, h)).error).toMatchObject({ code: 'flow_failed', node: 'b' });
  });

  test.each([
    ['a type with a space', '{ event_type: "a{{ \' \' }}b", payload: 1 }', 'event_invalid'],
    ['a type that is kept for results', '{ event_type: "a.{{ \'result\' }}", payload: 1 }', 'event_invalid'],
    ['an id that is a number', '{ event_type: a, payload: 1, id: "{{ 5 }}" }', 'event_invalid'],
    ['an id with a line feed', '{ event_type: a, payload: 1, id: "x\\n{{ 1 }}" }', 'event_invalid'],
    ['a type of the host', '{ event_type: "hos{{ \'t\' }}.call", payload: 1 }', 'event_type_reserved'],
  ])('%s is refused before it reaches the broker', async (_, config, code) => {
    const h = harness();
    const outcome = await run(`- { id: a, type: publish, config: ${config} }`, h);
    expect(outcome.error?.code).toBe(code);
    expect(h.effects).toEqual([]);
  });

  test('the chain ends after 16 hops', async () => {
    const h = harness();
    const metadata = { trace_id: 'a'.repeat(32), correlation_id: 'c1', hops: 16 };
    const outcome = await run(nodes, h, { event: { metadata } });
    expect(outcome.error).toMatchObject({ code: 'too_many_hops', node: 'b' });
    expect(h.effects).toEqual([]);
  });

  test('a run has a bounded number of effects, those of earlier deliveries included', async () => {
    const many = Array.from(
      { length: 4 },
      (_, at) =>
        `- { id: n${at}, type: publish, config: { event_type: x, payload: 1 }, next: ${at === 3 ? 'end' : `n${at + 1}`} }`,
    ).join('\n');
    const h = harness();
    const outcome = await run(many, h, { target: 'n0', limits: { maxEffectsPerRun: 3 } });
    expect(outcome.error).toMatchObject({ code: 'flow_too_many_effects', node: 'n3' });
    expect(h.effects).toHaveLength(3);
    const journal = h.effects.flatMap((effect) => effect.run?.journal.map(({ entry }) => entry) ?? []);
    const again = await run(many, harness(), { target: 'n0', limits: { maxEffectsPerRun: 3 }, journal });
    expect(again.error).toMatchObject({ code: 'flow_too_many_effects', node: 'n3' });
  });
});

describe('http_response', () => {
  test('the webhook is answered at the node, and what comes after it goes on behind its back, even if it fails', async () => {
    const h = harness();
    const pending = Promise.withResolvers<EffectAnswer>();
    h.answerEffect = () => pending.promise;
    const running = run(
      `
- { id: a, type: http_response, config: { status: 202, body: accepted }, next: b }
- { id: b, type: publish, config: { event_type: made, payload: 1 }, next: c }
- { id: c, type: transform, config: { value: "{{ event.nope }}" } }
`,
      h,
    );
    while (h.effects.length === 0) await Promise.resolve();
    expect(h.answers).toMatchObject([{ answer: { status: 202, body: 'accepted' } }]);
    pending.resolve({ kind: 'ok', output: '{}' });
    const outcome = await running;
    expect(outcome.error?.node).toBe('c');
    expect(h.answers).toHaveLength(1);

    // A delivery that comes after it does not answer again.
    const again = harness();
    const journal = h.effects[0]?.run?.journal.map(({ entry }) => entry) ?? [];
    const answered = '- { id: a, type: http_response, config: { body: 1 }, next: b }';
    await run(`${answered}\n- { id: b, type: publish, config: { event_type: x, payload: 1 } }`, again, {
      journal,
    });
    expect(again.answers).toEqual([]);
  });

  test('an object is answered as JSON, and the flow goes on after it', async () => {
    const h = harness();
    const outcome = await run(
      `
- { id: a, type: http_response, config: { status: "{{ 200 + 1 }}", headers: { X-Order: "{{ event.payload.order.id }}" }, body: { id: "{{ event.payload.order.id }}" } }, next: b }
- { id: b, type: transform, config: { value: done } }
`,
      h,
    );
    expect(h.answers).toEqual([
      {
        eventId: 'e1',
        answer: {
          status: 201,
          headers: { 'content-type': 'application/json', 'x-order': '42' },
          body: '{"id":42}',
        },
      },
    ]);
    expect(outputOf(outcome)).toBe('done');
  });

  test.each([
    ['{ body: "Hi {{ event.payload.name }}" }', { 'content-type': 'text/plain; charset=utf-8' }, 'Hi Ann'],
    ['{ body: "<p>", headers: { Content-Type: text/html } }', { 'content-type': 'text/html' }, '<p>'],
    ['{ status: 204 }', {}, ''],
    ['{}', {}, ''],
  ])('%s', async (config, headers, body) => {
    const h = harness();
    await run(`- { id: a, type: http_response, config: ${config} }`, h);
    expect(h.answers[0]?.answer).toMatchObject({ headers, body });
  });

  test.each([
    ['{ status: "{{ 700 }}" }', 'from 200 to 599'],
    ['{ status: "{{ event.payload.name }}" }', 'from 200 to 599'],
    ['{ headers: { x-a: "a\\r\\nset-cookie: {{ 1 }}" } }', 'visible ASCII'],
    ['{ status: "{{ 204 }}", body: x }', 'has no body'],
  ])('%s is refused, and the sender gets 500', async (config, message) => {
    const h = harness();
    const outcome = await run(`- { id: a, type: http_response, config: ${config} }`, h);
    expect(outcome.error?.code).toBe('flow_response_invalid');
    expect(outcome.error?.message).toContain(message);
    expect(h.answers).toHaveLength(1);
    expect(h.answers[0]?.answer.status).toBe(500);
  });

  test('a run answers once', async () => {
    const h = harness();
    const outcome = await run(
      `
- { id: a, type: http_response, config: { body: 1 }, next: b }
- { id: b, type: http_response, config: { body: 2 } }
`,
      h,
    );
    expect(outcome.error?.message).toContain('has answered its webhook before');
    expect(h.answers.map(({ answer }) => answer.body)).toEqual(['1']);
  });

  const later = `
- { id: a, type: branch, config: { conditions: [{ expression: "event.payload.name == 'Ann'", next: c }] }, next: b }
- { id: b, type: http_response, config: { body: 2 } }
- { id: c, type: SCRIPT, config: { value: 3 }, next: respond }
`;
  test('a run that ends without its http_response answers with its result', async () => {
    const h = harness();
    await run(later.replace('SCRIPT', 'transform'), h);
    expect(h.answers[0]?.answer).toEqual({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '3',
    });
  });

  test('a run that fails answers 500 with its id and nothing of its inside', async () => {
    const h = harness();
    await run(later.replace('SCRIPT', 'script').replace('{ value: 3 }', '{ script: throw }'), h);
    expect(h.answers[0]?.answer.status).toBe(500);
    expect(JSON.parse(h.answers[0]?.answer.body ?? '')).toEqual({
      code: 'flow_failed',
      message: `The flow orders failed; its run is ${RUN}.`,
    });
  });

  test('a flow without http_response nodes answers nobody', async () => {
    const h = harness();
    await run('- { id: a, type: transform, config: { value: 1 }, next: respond }', h);
    expect(h.answers).toEqual([]);
  });
});

describe('failures and bounds', () => {
  test('a script that throws fails its node, with the flow file and line', async () => {
    const outcome = await run(`
- { id: a, type: transform, config: { value: 1 }, next: b }
- { id: b, type: script, config: { script: throw }, next: c }
- { id: c, type: transform, config: { value: 1 } }
`);
    expect(outcome).toMatchObject({
      status: 'error',
      error: { node: 'b', code: 'flow_failed', retryable: false },
    });
    expect(outcome.error?.message).toBe('orders.ygtc:6: boom');
    expect(journalOf(outcome).map((entry) => [entry.node, entry.status])).toEqual([
      ['a', 'ok'],
      ['b', 'error'],
    ]);
  });

  test('an output that is too large, too deep or has too many elements is refused', async () => {
    const script = (json: string) =>
      `- { id: a, type: script, config: { script: ${JSON.stringify(`text ${json}`)} } }`;
    const code = async (json: string) =>
      (
        await run(script(json), harness(), {
          limits: { maxEventBytes: 1000, maxJsonDepth: 8, maxJsonElements: 50 },
        })
      ).error?.code;
    expect(await code(JSON.stringify('x'.repeat(1000)))).toBe('json_too_large');
    expect(await code(`${'['.repeat(9)}${']'.repeat(9)}`)).toBe('json_too_deep');
    expect(await code(JSON.stringify(Array.from({ length: 60 }, () => 1)))).toBe('json_too_many_elements');
    expect(await code('"fine"')).toBeUndefined();
  });

  test('the outputs of a run are bounded together', async () => {
    const chain = Array.from(
      { length: 40 },
      (_, at) =>
        `- { id: n${at}, type: script, config: { script: ${JSON.stringify(`text "${'x'.repeat(900)}"`)} }, next: ${at === 39 ? 'end' : `n${at + 1}`} }`,
    ).join('\n');
    const outcome = await run(chain, harness(), { target: 'n0', limits: { maxEventBytes: 1000 } });
    expect(outcome.error).toMatchObject({ code: 'flow_outputs_too_large', node: 'n17' });
  });

  test('a run has a bounded number of steps', async () => {
    const chain = Array.from(
      { length: 5 },
      (_, at) =>
        `- { id: n${at}, type: transform, config: { value: 1 }, next: ${at === 4 ? 'end' : `n${at + 1}`} }`,
    ).join('\n');
    const outcome = await run(chain, harness(), { target: 'n0', limits: { maxFlowSteps: 4 } });
    expect(outcome.error).toMatchObject({ code: 'flow_too_many_steps', node: 'n4' });
    expect((await run(chain, harness(), { target: 'n0', limits: { maxFlowSteps: 5 } })).status).toBe('ok');
  });

  test('a flow that is gone, a node that is gone and a broken journal fail the run by name', async () => {
    const h = harness();
    const program = new FlowProgram([await flowOf('- { id: a, type: transform, config: { value: 1 } }')], {
      limits: DEFAULT_LIMITS,
      scripts,
      host: h.host,
    });
    const event = new RunEvent(JSON.stringify(EVENT));
    const code = async (flow: string, journal: string[]) =>
      (await program.run({ runId: RUN, flow, trigger: 0, position: 1, journal }, event, h.host)).error?.code;
    expect(await code('other', [])).toBe('flow_unknown');
    expect(await code('orders', ['{"node":"gone","status":"ok","next":null}'])).toBe('flow_changed');
    expect(await code('orders', ['{"node":"a","status":"ok","next":"gone"}'])).toBe('flow_changed');
    expect(await code('orders', ['{'])).toBe('journal_invalid');
    expect(await code('orders', ['{"status":"ok"}'])).toBe('journal_invalid');
  });

  test('a flow whose script does not compile fails its own runs only', async () => {
    const h = harness();
    const broken: ScriptCompiler = {
      compile: () => {
        throw new Error('no such syntax');
      },
    };
    const bad = await flowOf('- { id: a, type: script, config: { script: x } }');
    const good = { ...(await flowOf('- { id: a, type: transform, config: { value: 1 } }')), name: 'good' };
    const program = new FlowProgram([bad, good], { limits: DEFAULT_LIMITS, scripts: broken, host: h.host });
    expect(program.problems()).toMatchObject([{ message: 'no such syntax', file: 'orders.ygtc' }]);
    const event = new RunEvent(JSON.stringify(EVENT));
    const status = async (flow: string) =>
      (await program.run({ runId: RUN, flow, trigger: 0, position: 1, journal: [] }, event, h.host)).status;
    expect([await status('orders'), await status('good')]).toEqual(['error', 'ok']);
  });

  test('runs of one event share it, and one does not change what another sees', async () => {
    const h = harness();
    const flow = await flowOf(
      '- { id: a, type: script, config: { script: scope }, when: "event.payload.order.id == 42" }',
    );
    const program = new FlowProgram([flow], { limits: DEFAULT_LIMITS, scripts, host: h.host });
    const event = new RunEvent(JSON.stringify(EVENT));
    const order = { runId: RUN, flow: 'orders', trigger: 0, position: 1, journal: [] };
    const outcomes = await Promise.all([
      program.run(order, event, h.host),
      program.run(order, event, h.host),
    ]);
    expect(outcomes.map((outcome) => outputOf(outcome))).toMatchObject([{ event: EVENT }, { event: EVENT }]);
  });

  test('what is no event is refused', () => {
    for (const json of ['', '{', '[]', 'null', '7'])
      expect(() => new RunEvent(json)).toThrow('The event is no JSON');
  });
});
