import { describe, expect, test } from 'vitest';
import { callProblems, withCalledAnswers } from '../../host/flow/check-calls.ts';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { Flow } from '../../host/flow/flow.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { RunOutcome } from '../../host/sandbox/protocol.ts';
import { EVENT, type Harness, harness, journalOf, outputOf, RUN, scripts } from './harness.ts';

const reach: FlowReach = {
  ...NO_REACH,
  providers: new Map([['p', { kind: 'custom', invokes: true, operations: ['do', 'fail'] }]]),
};

/** Flows by name: their nodes in YAML, the first of which they begin with. */
async function flowsOf(texts: Readonly<Record<string, string>>): Promise<Flow[]> {
  return Promise.all(
    Object.entries(texts).map(([name, nodes]) => {
      const first = /id: ([A-Za-z_0-9-]+)/.exec(nodes)?.[1];
      const text = `name: ${name}\nversion: "1"\nnodes:\n${nodes.trim().replace(/^/gm, '  ')}\ntriggers:\n  - { type: event, event_type: ">", target: ${first} }\n`;
      return loadFlow({ text, file: `${name}.ygtc`, scripts: {} }, reach);
    }),
  );
}

interface Options {
  readonly journal?: readonly string[];
  readonly limits?: Partial<typeof DEFAULT_LIMITS>;
  readonly payload?: unknown;
  readonly trigger?: number;
}

async function go(
  texts: Readonly<Record<string, string>>,
  h: Harness = harness(),
  { journal = [], limits = {}, payload = EVENT.payload, trigger = 0 }: Options = {},
): Promise<RunOutcome> {
  const flows = await flowsOf(texts);
  expect(callProblems(flows)).toEqual([]);
  const program = new FlowProgram(flows, {
    limits: { ...DEFAULT_LIMITS, ...limits },
    scripts,
    host: h.host,
  });
  expect(program.problems()).toEqual([]);
  const order = { runId: RUN, flow: flows[0]?.name ?? '', trigger, position: 1, journal };
  return program.run(order, new RunEvent(JSON.stringify({ ...EVENT, payload })), h.host);
}

/** Answers calls of the provider: `do` with its input, `fail` with a problem; both are effects. */
function provider(): Harness {
  const h = harness();
  h.answerCall = async ({ operation, input, spend }) => {
    const refusal = spend();
    if (refusal !== undefined) throw refusal;
    const problem = { code: 'went_wrong', message: `It failed for ${input}.`, retryable: false };
    return operation === 'do' ? { kind: 'ok', output: input } : { kind: 'problem', problem };
  };
  return h;
}

const call = (id: string, action = 'do', more = '') =>
  `- { id: ${id}, type: event, config: { provider: p, action: ${action}, v: "{{ input }}" }${more} }`;

describe('a flow node', () => {
  test("runs another flow with what it is given, in that flow's name, and has its output", async () => {
    const h = provider();
    const outcome = await go(
      {
        main: `
- { id: a, type: flow, config: { flow: total, input: { n: "{{ event.payload.order.id }}" } }, output: sum, next: b }
- { id: b, type: transform, config: { value: ["{{ sum }}", "{{ event.payload.name }}", "{{ size(steps) }}"] } }`,
        total: `
- { id: a, type: transform, config: { value: ["{{ input.n }}", "{{ event.payload.n }}", "{{ event.event_type }}", "{{ headers['x-github-event'] }}"] }, next: c }
${call('c', 'do', ', next: p')}
- { id: p, type: publish, config: { event_type: a.b, payload: 1 }, next: q }
- { id: q, type: transform, config: { value: "{{ steps.c }}" } }`,
      },
      h,
    );
    expect(h.effects).toMatchObject([{ source: 'flow:total', run: { flow: 'total', node: 'p' } }]);
    expect(outputOf(outcome)).toEqual([{ v: [42, 42, 'order.created', 'push'] }, 'Ann', 1]);
    expect(h.calls[0]?.run).toMatchObject({ flow: 'total', node: 'c' });
    expect(journalOf(outcome).map(({ node }) => node)).toEqual(['a', 'a', 'c', 'p', 'q', 'b']);
  });

  test('without input passes on what its flow has before it', async () => {
    const texts = {
      main: '- { id: a, type: transform, config: { value: 7 }, next: b }\n- { id: b, type: flow, config: { flow: other } }',
      other: '- { id: x, type: transform, config: { value: "{{ [input, event.payload] }}" } }',
    };
    expect(outputOf(await go(texts))).toEqual([7, 7]);
  });

  test('fails with what failed in it, where that stands, and its flow may deal with it', async () => {
    const other = call('x', 'fail');
    const main = '- { id: a, type: flow, config: { flow: other } }';
    const { error } = await go({ main, other }, provider());
    expect(error).toMatchObject({ code: 'went_wrong', node: 'x' });
    expect(error?.message).toContain('other.ygtc:4: It failed for');
    const caught = `${main.replace(' }', ' }').slice(0, -2)}, on_error: b }\n- { id: b, type: transform, config: { value: "{{ error.code }}" } }`;
    const h = provider();
    expect(outputOf(await go({ main: caught, other }, h))).toBe('went_wrong');
    // What the called flow has done may not be done again.
    expect(h.records.flatMap(({ journal }) => journal.map(({ entry }) => JSON.parse(entry).status))).toEqual([
      'caught',
      'error',
    ]);
  });

  test('shares the bounds of its run: steps, effects, and the timeout of the node that calls', async () => {
    const main = '- { id: a, type: flow, config: { flow: other }, timeout: 10ms }';
    const other = `${call('x', 'do', ', next: y')}\n${call('y')}`;
    const effects = await go({ main, other }, provider(), { limits: { maxEffectsPerRun: 1 } });
    expect(effects.error?.code).toBe('flow_too_many_effects');
    const steps = await go({ main, other }, provider(), { limits: { maxFlowSteps: 1 } });
    expect(steps.error?.code).toBe('flow_too_many_steps');
    const h = harness();
    h.answerCall = () => new Promise(() => undefined);
    h.after = (_, due) => {
      queueMicrotask(due);
      return () => undefined;
    };
    const late = await go({ main, other }, h);
    expect(late.error).toMatchObject({ code: 'flow_node_timeout' });
    expect(late.error?.message).toContain('The node a has taken longer');
  });

  test('names of flows and their cycles are checked, with their places', async () => {
    const problems = async (texts: Readonly<Record<string, string>>) =>
      callProblems(await flowsOf(texts)).map(({ file, line, column, message, cure }) =>
        [`${file}:${line}:${column}`, message, cure].join(' '),
      );
    const sub = (flow: string, type = 'flow') => `- { id: a, type: ${type}, config: { flow: ${flow} } }`;
    expect(
      await problems({ one: sub('tow'), two: '- { id: x, type: transform, config: { value: 1 } }' }),
    ).toEqual(['one.ygtc:4:42 The tenant has no flow "tow". Did you mean "two"?']);
    expect(await problems({ one: sub('two'), two: sub('one') })).toEqual([
      'one.ygtc:4:42 The flows call each other without end: one → two → one. Let one of them end without the call, or start the other by `async`, which is a run of its own.',
    ]);
    expect(await problems({ one: sub('one', 'async') })).toEqual([]);
    const each = '- { id: a, type: foreach, config: { items: [1], flow: one } }';
    expect(await problems({ one: each })).toHaveLength(1);
  });

  test('a flow whose triggers lead to several nodes is called where it says so', async () => {
    const text = (triggers: string) => `name: two
version: "1"
nodes:
  - { id: x, type: transform, config: { value: x } }
  - { id: y, type: transform, config: { value: y } }
triggers:
  - { type: event, event_type: a, target: x }
  - { type: event, event_type: b, target: y }
${triggers}`;
    const [one] = await flowsOf({ one: '- { id: a, type: flow, config: { flow: two } }' });
    if (one === undefined) throw new Error('A flow was expected.');
    const two = await loadFlow({ text: text(''), file: 'two.ygtc', scripts: {} });
    expect(callProblems([one, two])).toMatchObject([
      { cure: 'Add to the triggers of two.ygtc: { type: call, target: x }' },
    ]);
    const open = await loadFlow({
      text: text('  - { type: call, target: y }\n'),
      file: 'two.ygtc',
      scripts: {},
    });
    expect(callProblems([one, open])).toEqual([]);
    const twice = text('  - { type: call, target: y }\n  - { type: call, target: x }\n');
    await expect(loadFlow({ text: twice, file: 'two.ygtc', scripts: {} })).rejects.toThrow(
      'two.ygtc:10:5: triggers[3]: The flow has a trigger of type call already.',
    );
  });

  test('a flow answers the webhook that waits for it, whoever calls it', async () => {
    const flows = await flowsOf({
      main: '- { id: a, type: flow, config: { flow: other } }',
      other: '- { id: x, type: http_response, config: { status: 201 } }',
      later: '- { id: a, type: async, config: { flow: other } }',
    });
    expect(withCalledAnswers(flows).map(({ answersWebhook }) => answersWebhook)).toEqual([true, true, false]);
    const h = harness();
    await go(
      {
        main: '- { id: a, type: flow, config: { flow: other } }',
        other: '- { id: x, type: http_response, config: { status: 201 } }',
      },
      h,
    );
    expect(h.answers).toMatchObject([{ eventId: 'e1', answer: { status: 201 } }]);
  });
});

describe('an async node', () => {
  const texts = {
    main: '- { id: a, type: async, config: { flow: later, input: { n: "{{ event.payload.order.id }}" } } }',
    later: '- { id: x, type: transform, config: { value: "{{ [input, event.payload.n] }}" } }',
  };

  test('starts the flow once, by an event that is stored with its outcome, and does not wait', async () => {
    const h = harness();
    const outcome = await go(texts, h);
    const [effect] = h.effects;
    expect(effect).toMatchObject({ capability: 'bus', fn: 'call', args: ['later'], source: 'flow:main' });
    expect(effect?.run?.journal).toHaveLength(1);
    const [event] = effect?.events ?? [];
    expect(outputOf(outcome)).toEqual({ id: event?.id, flow: 'later' });
    expect(event?.id).toBe(effect?.key);
    expect(JSON.parse(event?.json ?? '')).toMatchObject({
      event_type: 'host.call',
      source: 'flow:main',
      payload: { n: 42 },
      metadata: { causation_id: 'e1', hops: 3, schedule: 'call:later' },
    });
    const again = harness();
    await go(texts, again, { journal: effect?.run?.journal.map(({ entry }) => entry) ?? [] });
    expect(again.effects).toEqual([]);
  });

  test('what is started so has what it was given as its input', async () => {
    const { later } = texts;
    // Its trigger of type call comes after its own.
    expect(outputOf(await go({ later }, harness(), { trigger: 1, payload: { n: 1 } }))).toEqual([
      { n: 1 },
      1,
    ]);
  });
});

describe('a foreach node', () => {
  const nodes = (keys: string, body: string, next = '') =>
    `- { id: each, type: foreach, config: { items: "{{ event.payload.list }}", ${keys} }${next} }\n${body}`;
  const payload = { list: [5, 6, 7] };

  test('does its body for each item, and has their outputs in order', async () => {
    const h = provider();
    const main = nodes(
      'do: x, concurrency: 2',
      `- { id: x, type: transform, config: { value: { item: "{{ item }}", index: "{{ index }}", input: "{{ input }}" } }, next: y }
${call('y', 'do', ', next: each')}
- { id: z, type: transform, config: { value: ["{{ input }}", "{{ size(steps) }}"] } }`,
      ', next: z',
    );
    const outcome = await go({ main }, h, { payload });
    const v = (item: number, index: number) => ({ v: { item, index, input: item } });
    expect(outputOf(outcome)).toEqual([[v(5, 0), v(6, 1), v(7, 2)], 1]);
  });

  test('does no more of them at a time than it says', async () => {
    const h = harness();
    let running = 0;
    let most = 0;
    h.answerCall = async ({ input }) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return { kind: 'ok', output: input };
    };
    const list = [1, 2, 3, 4, 5, 6, 7];
    const main = nodes('do: x, concurrency: 3', call('x'));
    expect(outputOf(await go({ main }, h, { payload: { list } }))).toEqual(list.map((v) => ({ v })));
    expect(most).toBe(3);
    await go({ main: nodes('do: x', call('x')) }, h, { payload: { list } });
  });

  test('may run another flow for each item', async () => {
    const main = nodes('flow: twice, input: { n: "{{ item }}" }', '');
    const twice = '- { id: x, type: transform, config: { value: "{{ input.n * 2 }}" } }';
    expect(outputOf(await go({ main, twice }, harness(), { payload }))).toEqual([10, 12, 14]);
    const plain = nodes('flow: twice', '');
    const own = '- { id: x, type: transform, config: { value: "{{ input + 1 }}" } }';
    expect(outputOf(await go({ main: plain, twice: own }, harness(), { payload }))).toEqual([6, 7, 8]);
  });

  test('fails with the first of its rounds that failed, and begins no further one', async () => {
    const h = provider();
    const { error } = await go({ main: nodes('do: x', call('x', 'fail')) }, h, { payload });
    expect(error).toMatchObject({ code: 'went_wrong', node: 'x' });
    expect(h.calls.length).toBe(1);
  });

  test('with `errors: collect` goes on, and its output says which ones failed', async () => {
    const main = nodes(
      'do: x, errors: collect',
      `- { id: x, type: branch, config: { conditions: [{ expression: "item == 6", next: bad }], default: good } }
${call('bad', 'fail')}
${call('good')}`,
    );
    expect(outputOf(await go({ main }, provider(), { payload }))).toMatchObject([
      { ok: true, output: { v: 5 } },
      { ok: false, error: { code: 'went_wrong', node: 'bad', message: 'It failed for {"v":6}.' } },
      { ok: true, output: { v: 7 } },
    ]);
  });

  test.each([
    [{ list: 'text' }, 'The items of node each are no list: the text "text" came.'],
    [{ list: Array.from({ length: 1001 }, () => 0) }, 'has 1001 items; at most 1000 are allowed'],
  ])('refuses what is no list or too long a one', async (bad, message) => {
    const { error } = await go({ main: nodes('do: x', call('x')) }, harness(), { payload: bad });
    expect(error).toMatchObject({ code: 'flow_items_invalid', node: 'each' });
    expect(error?.message).toContain(message);
  });

  test('nests, and what is inside sees its own item', async () => {
    const main = `- { id: outer, type: foreach, config: { items: [[1, 2], [3]], do: inner } }
- { id: inner, type: foreach, config: { items: "{{ item }}", do: x }, next: outer }
- { id: x, type: transform, config: { value: "{{ [item, index] }}" }, next: inner }`;
    expect(outputOf(await go({ main }))).toEqual([
      [
        [1, 0],
        [2, 1],
      ],
      [[3, 0]],
    ]);
  });
});

describe('a parallel node', () => {
  test('goes all ways at once, and has their outputs by name once all are done', async () => {
    const h = provider();
    const main = `- { id: both, type: parallel, config: { branches: { one: x, two: { flow: other, input: 2 }, three: end } }, next: join }
${call('x', 'do', ', next: join')}
- { id: join, type: transform, config: { value: "{{ input }}" } }`;
    const other = call('y');
    expect(outputOf(await go({ main, other }, h))).toEqual({ one: { v: null }, two: { v: 2 }, three: null });
    expect(h.calls.map(({ run }) => run.flow).toSorted()).toEqual(['main', 'other']);
  });

  test('fails with a branch, or has what failed among its outputs', async () => {
    const main = (errors: string) =>
      `- { id: both, type: parallel, config: { branches: { one: x, two: y }, errors: ${errors} } }\n${call('x')}\n${call('y', 'fail')}`;
    const h = provider();
    expect((await go({ main: main('fail') }, h)).error).toMatchObject({ code: 'went_wrong', node: 'y' });
    expect(h.calls.length).toBe(2);
    expect(outputOf(await go({ main: main('collect') }, provider()))).toMatchObject({
      one: { ok: true },
      two: { ok: false, error: { code: 'went_wrong' } },
    });
  });
});

describe('what chains that run at once record', () => {
  const statuses = (h: Harness) =>
    h.records.flatMap(({ journal }) => journal.map(({ entry }) => JSON.parse(entry).status));

  test('never holds the outcome of an effect of another chain that may not have happened', async () => {
    const h = provider();
    const hanging = Promise.withResolvers<void>();
    h.answerEffect = () => {
      hanging.resolve();
      return new Promise(() => undefined);
    };
    const main = `- { id: both, type: parallel, config: { branches: { one: x, two: y } } }
- { id: x, type: publish, config: { event_type: a.b, payload: 1 } }
${call('y')}`;
    void go({ main }, h);
    await hanging.promise;
    await expect.poll(() => h.calls.length).toBe(1);
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    // The event of x may be lost with its host, and then it has to be published again.
    expect(h.records).toEqual([]);
  });

  test('holds a failure that is part of the output before another round begins', async () => {
    const h = provider();
    const second = Promise.withResolvers<void>();
    const { answerCall } = h;
    h.answerCall = (asked) => {
      if (h.calls.length === 1) return answerCall(asked);
      second.resolve();
      return new Promise(() => undefined);
    };
    const main = `- { id: each, type: foreach, config: { items: [1, 2], do: x, errors: collect } }\n${call('x', 'fail')}`;
    void go({ main }, h);
    await second.promise;
    expect(statuses(h)).toEqual(['error', 'ended']);

    // So whoever goes on with the run does not do it again.
    const journal = h.records.flatMap(({ journal: entries }) => entries.map(({ entry }) => entry));
    const later = provider();
    expect(outputOf(await go({ main }, later, { journal }))).toMatchObject([{ ok: false }, { ok: false }]);
    expect(later.calls.map(({ input }) => input)).toEqual(['{"v":2}']);
  });
});

test('flows and rounds nest sixteen deep and no deeper', async () => {
  const texts = Object.fromEntries(
    Array.from({ length: 18 }, (_, at) => [
      `f${at}`,
      at === 17
        ? '- { id: x, type: transform, config: { value: 1 } }'
        : `- { id: a, type: flow, config: { flow: f${at + 1} } }`,
    ]),
  );
  const { f0: _, ...shorter } = texts;
  expect(outputOf(await go(shorter))).toBe(1);
  expect((await go(texts)).error).toMatchObject({ code: 'flow_too_deep' });
});
