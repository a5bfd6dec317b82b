import { beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { ALONE } from '../../host/deploy/check.ts';
import { deploy } from '../../host/deploy/deployment.ts';
import { GtpackError } from '../../host/errors.ts';
import type { Job, JobResult } from '../../host/sandbox/protocol.ts';
import { Sandbox } from '../../host/sandbox/sandbox.ts';
import { type BundleParts, packPath, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { packFile } from './packs.ts';
import { postText, webhook } from './request.ts';

/** The same provider in both kinds, under one id: an AssemblyScript module and a TypeScript component. */
const twins: BundleParts = {
  yaml: JSON.stringify({
    http: { listen: '127.0.0.1:0' },
    tenants: Object.fromEntries(
      (['echo-as', 'echo-ts'] as const).map((name) => [
        name,
        {
          providers: {
            echo: { pack: packPath(name), config: { greeting: 'Grüß Gott', list: [1, { a: null }] } },
          },
        },
      ]),
    ),
  }),
  packs: ['echo-as', 'echo-ts'],
};

const BODIES = [
  '{"order":{"id":42,"total":99.5}}',
  '[]',
  'null',
  '"Grüß Gott 🌍 \\u0000 \\ud83d\\ude00"',
  '[1e3,-0.5,12345678901,true,false]',
  '{"__proto__":1,"":2}',
  `[${'[1],'.repeat(500)}1]`,
  'no JSON',
  '',
  '{"a":1',
];

beforeAll(async () => {
  await packFile('echo-ts');
}, 120_000);

describe('both kinds of plugin', () => {
  test('answer the same requests with the same events and the same refusals', async () => {
    const { url, bus } = await startHere(await writeBundle(twins));
    const answersOf = async (tenant: string): Promise<unknown[]> => {
      const answers: unknown[] = [];
      for (const [index, body] of BODIES.entries()) {
        const { status, json } = await postText(webhook(url, tenant, 'order.created'), body, {
          'content-type': 'application/json',
          'idempotency-key': `key-${index}`,
        });
        answers.push([body, status, json]);
      }
      return answers;
    };
    const first = await answersOf('echo-as');
    expect(await answersOf('echo-ts')).toEqual(first);
    const accepted = first.filter((answer) => (answer as unknown[])[1] === 202).length;
    expect(accepted).toBe(7);
    await bus.until((seen) => (seen.length >= 2 * accepted ? true : undefined));
    const eventsOf = (tenant: string): unknown[] =>
      bus.of('event', tenant).map(({ json: { timestamp, metadata, ...event } }) => {
        const { trace_id, http, ...rest } = metadata;
        return { ...event, rest };
      });
    expect(eventsOf('echo-ts')).toEqual(eventsOf('echo-as'));
  });

  test('answer the same calls with the same outputs and problems', async () => {
    const { tenants } = await deploy(await loadBundle(await writeBundle(twins)), 'pin');
    const logged: string[][] = [];
    const sandbox = new Sandbox({
      ...ALONE,
      maxLiveCells: 2,
      maxCellsPerHost: 2,
      onLog: (tenant, { level, message, source }) => logged.push([tenant, level, message, source]),
    });
    for (const { id, code } of tenants) sandbox.register(id, code);
    const invoke = (operation: string, input: unknown): Job => ({
      kind: 'invoke',
      provider: 'echo',
      operation,
      input: JSON.stringify(input),
    });
    const jobs: Job[] = [
      {
        kind: 'tick',
        provider: 'echo',
        tick: {
          id: 'tick-1',
          schedule: 'flow:every/0',
          name: 'every',
          scheduledAt: 1_790_000_000_000,
          firedAt: 1_790_000_000_007,
          lastRun: null,
          missed: 3,
        },
      },
      ...BODIES.slice(0, 7).map((body) => invoke('echo', JSON.parse(body))),
      invoke('sum', [1, 2, 39]),
      invoke('sum', []),
      invoke('fail', null),
      invoke('log', { message: 'Grüß Gott' }),
      invoke('config', null),
      invoke('nothing', {}),
      invoke('throw', {}),
      // After the instance was lost.
      invoke('sum', [7]),
    ];
    const outcomesOf = async (id: (typeof tenants)[number]['id']): Promise<unknown[]> => {
      const outcomes: unknown[] = [];
      for (const job of jobs) outcomes.push(await outcome(sandbox.submit(id, job)));
      return outcomes;
    };
    try {
      const [first, second] = tenants;
      if (first === undefined || second === undefined) throw new Error('There are two tenants.');
      const expected = await outcomesOf(first.id);
      expect(await outcomesOf(second.id)).toEqual(expected);
      expect(expected.filter((each) => (each as { kind?: string }).kind === 'output')).toHaveLength(12);
      // The one that was asked to throw says more, in its own words.
      expect(logged.filter((line) => line.includes('info'))).toEqual([
        ['echo-as', 'info', 'Grüß Gott', 'echo'],
        ['echo-ts', 'info', 'Grüß Gott', 'echo'],
      ]);
    } finally {
      await sandbox.stop();
    }
  });
});

/** Without what is each kind's own: its words about a trap, and ids that are new every time. */
async function outcome(submitted: Promise<JobResult>): Promise<unknown> {
  try {
    const result = await submitted;
    if (result.kind === 'output') return { kind: 'output', output: JSON.parse(result.output) };
    if (result.kind !== 'events') return result;
    return result.events.map(({ id, type, json }) => ({ id, type, payload: JSON.parse(json).payload }));
  } catch (error) {
    if (error instanceof GtpackError) return { code: error.code };
    throw error;
  }
}
