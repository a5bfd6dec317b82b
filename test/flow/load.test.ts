import { readdirSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import type { Flow } from '../../host/flow/flow.ts';
import { loadFlow } from '../../host/flow/load.ts';

const golden = new URL('../golden/flow/', import.meta.url);

function read(name: string): string {
  return readFileSync(new URL(name, golden), 'utf8');
}

async function refusal(text: string, file = 'flows/on_event.ygtc'): Promise<GtpackError> {
  try {
    await loadFlow({ text, file, scripts: {} });
  } catch (error) {
    if (error instanceof GtpackError) return error;
    throw error;
  }
  throw new Error('The flow was accepted.');
}

function load(text: string, scripts: Record<string, string> = {}): Promise<Flow> {
  return loadFlow({ text, file: 'on_event.ygtc', scripts });
}

/** A flow of one node; what is given replaces the node's lines and the trigger. */
function flowOf(node: string, trigger = '{ type: event, event_type: order.created, target: a }'): string {
  return `name: orders\nversion: "1.0"\nnodes:\n  - id: a\n    ${node.replaceAll('\n', '\n    ')}\ntriggers:\n  - ${trigger}\n`;
}

test('the flow that the documentation prints loads', async () => {
  const flow = await load(read('documented.ygtc'), {
    'orders.js': 'export const process_payload = (p) => p;',
  });
  expect(flow).toEqual({
    name: 'handle_event',
    version: '1.0',
    digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    file: 'on_event.ygtc',
    nodes: [
      {
        id: 'process',
        type: 'script',
        config: {
          script: '// Process the event\nlet payload = event.payload;\nprocess_payload(payload)\n',
          line: 8,
          column: 9,
        },
        next: 'respond',
        line: 4,
      },
    ],
    triggers: [
      { type: 'event', pattern: 'order.created', target: 'process' },
      // Another flow may call it by its name.
      { type: 'call', target: 'process' },
    ],
    scripts: { 'orders.js': 'export const process_payload = (p) => p;' },
    answersWebhook: false,
  });
});

describe('every problem of a file is told at once, with its place and cure', () => {
  const cases = readdirSync(golden)
    .filter((name) => name.endsWith('.ygtc') && name !== 'documented.ygtc')
    .map((name) => name.replace('.ygtc', ''));

  test.each(cases)('%s', async (name) => {
    const error = await refusal(read(`${name}.ygtc`), `${name}.ygtc`);
    await expect(`${error.message}\n`).toMatchFileSnapshot(new URL(`${name}.txt`, golden).pathname);
    for (const problem of error.problems) {
      expect(problem).toMatchObject({
        file: `${name}.ygtc`,
        line: expect.any(Number),
        column: expect.any(Number),
      });
    }
  });
});

test('`to` means what `next` means, in nodes and in conditions', async () => {
  const flow = await load(
    flowOf('type: branch\nconfig:\n  conditions:\n    - { expression: "true", to: end }\nto: respond'),
  );
  expect(flow.nodes[0]).toMatchObject({ next: 'respond', config: { conditions: [{ next: 'end' }] } });
});

test('a node may be called respond or end, and is then an ordinary target', async () => {
  const text = flowOf('type: transform\nconfig: { value: 1 }\nnext: respond').replace(
    'triggers:',
    '  - id: respond\n    type: transform\n    config: { value: 2 }\ntriggers:',
  );
  expect((await load(text)).nodes.map((node) => node.id)).toEqual(['a', 'respond']);
});

test('timers keep their plan, in UTC where no zone is named', async () => {
  const node = 'type: transform\nconfig: { value: 1 }';
  const plans = [
    '{ type: timer, cron: "0 9 * * *", target: a }',
    '{ type: timer, cron: "*/10 0 9 * * MON-FRI", timezone: America/New_York, target: a }',
    '{ type: timer, interval_seconds: 300, target: a, catch_up: all, catch_up_window: 2h, overlap: skip, jitter: 30s }',
  ];
  const usual = { catchUp: 'latest', catchUpWindowMs: 86_400_000, overlap: 'queue', jitterMs: 0 };
  const flow = await load(flowOf(node, plans.join('\n  - ')));
  expect(flow.triggers.filter(({ type }) => type === 'timer')).toEqual([
    {
      type: 'timer',
      schedule: 'flow:orders/0',
      target: 'a',
      timing: { plan: { kind: 'cron', cron: '0 9 * * *', timezone: null }, ...usual },
    },
    {
      type: 'timer',
      schedule: 'flow:orders/1',
      target: 'a',
      timing: {
        plan: { kind: 'cron', cron: '*/10 0 9 * * MON-FRI', timezone: 'America/New_York' },
        ...usual,
      },
    },
    {
      type: 'timer',
      schedule: 'flow:orders/2',
      target: 'a',
      timing: {
        plan: { kind: 'interval', everyMs: 300_000 },
        ...{ catchUp: 'all', catchUpWindowMs: 7_200_000, overlap: 'skip', jitterMs: 30_000 },
      },
    },
  ]);
});

test('a flow with an http_response node says that a webhook waits for it', async () => {
  const flow = await load(flowOf('type: http_response'));
  expect(flow.answersWebhook).toBe(true);
});

test('the digest changes with the text and with the scripts, and with nothing else', async () => {
  const text = flowOf('type: transform\nconfig: { value: 1 }');
  const first = await load(text, { 'a.js': '1', 'b.js': '2' });
  const again = await loadFlow({ text, file: 'elsewhere.ygtc', scripts: { 'b.js': '2', 'a.js': '1' } });
  expect(again.digest).toBe(first.digest);
  const others = await Promise.all([
    load(`${text}\n`, { 'a.js': '1', 'b.js': '2' }),
    load(text, { 'a.js': '2', 'b.js': '1' }),
    load(text, { 'a.js': '12' }),
    load(text),
  ]);
  expect(new Set([first, ...others].map((flow) => flow.digest)).size).toBe(5);
});

test('a flow is plain data, so that it can be posted to a cell', async () => {
  const flow = await load(read('documented.ygtc'));
  expect(structuredClone(flow)).toEqual(flow);
});

test('a thousand nodes in a row load, and one more is refused', async () => {
  const text = (count: number) =>
    `name: long\nversion: "1"\nnodes:\n${Array.from({ length: count }, (_, at) => `  - { id: n${at}, type: transform, config: { value: 1 }, next: ${at === count - 1 ? 'end' : `n${at + 1}`} }\n`).join('')}triggers:\n  - { type: event, event_type: x, target: n0 }\n`;
  expect((await load(text(1000))).nodes).toHaveLength(1000);
  expect((await refusal(text(1001))).code).toBe('flow_invalid');
});

test('deeply nested expressions and templates are refused, not followed', async () => {
  for (const expression of [
    '('.repeat(2000),
    '!'.repeat(4000),
    `${'['.repeat(300)}1${']'.repeat(300)}`,
    'a.'.repeat(1000),
  ]) {
    const error = await refusal(
      flowOf(`type: transform\nconfig: { value: 1 }\nwhen: ${JSON.stringify(`${expression}true`)}`),
    );
    expect(error.code).toBe('expression_invalid');
  }
});

test('whatever is done to a flow file, it loads or is refused with places', async () => {
  const seeds = readdirSync(golden)
    .filter((name) => name.endsWith('.ygtc'))
    .map(read);
  const edit = fc.record({
    seed: fc.constantFrom(...seeds),
    at: fc.nat(2000),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom(
        '{{',
        '}}',
        ': ',
        '- ',
        '[',
        ']',
        '{',
        '}',
        '*',
        '&a ',
        '!!x ',
        '|',
        '>',
        '"',
        "'",
        '\n',
        '  ',
        '__proto__',
        'null',
        '1e999',
        '\t',
        '.map(x, x)',
      ),
    ),
  });
  await fc.assert(
    fc.asyncProperty(edit, async ({ seed, at, remove, insert }) => {
      const place = at % (seed.length + 1);
      const text = seed.slice(0, place) + insert + seed.slice(place + remove);
      try {
        await load(text);
      } catch (error) {
        expect(error).toBeInstanceOf(GtpackError);
        for (const problem of (error as GtpackError).problems) expect(problem.line).toBeGreaterThan(0);
      }
    }),
    { numRuns: 500 },
  );
});

test.each(['int', 'in', 'event', 'my-name', ''])(
  'an output called %j is refused like any other problem',
  async (name) => {
    const text = flowOf(`type: transform\nconfig: { value: 1 }\noutput: "${name}"`);
    const { problems } = await refusal(text, 'orders.ygtc');
    expect(problems).toMatchObject([{ code: 'flow_invalid', message: expect.stringContaining('output: ') }]);
  },
);
