import { expect, test } from 'vitest';
import type { StateStore, StoredValue } from '../../host/bus/state.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { Flow } from '../../host/flow/flow.ts';
import { currentFlow, FlowVersions, waitedFlows } from '../../host/flow/flow-versions.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { EVENT, flowOf, harness, RUN, scripts } from './harness.ts';

const tenant = parseTenantId('acme');

class HandState implements Pick<StateStore, 'get' | 'set'> {
  readonly values = new Map<string, string>();
  readonly sets: { readonly key: string; readonly ttlMs: number }[] = [];

  async get(
    { tenant: of, source }: Parameters<StateStore['get']>[0],
    key: string,
  ): Promise<StoredValue | null> {
    const json = this.values.get(`${of} ${source} ${key}`);
    return json === undefined ? null : { json, revision: 1 };
  }

  async set(
    ...[owner, key, json, quota, life]: Parameters<StateStore['set']>
  ): ReturnType<StateStore['set']> {
    this.sets.push({ key, ttlMs: life?.ttlMs ?? 0 });
    if (json.length > quota.maxValueBytes) return 'maxValueBytes';
    this.values.set(`${owner.tenant} ${owner.source} ${key}`, json);
    return 'stored';
  }
}

const DAY_MS = 86_400_000;

async function named(name: string, nodes: string): Promise<Flow> {
  return { ...(await flowOf(nodes)), name };
}

const plain = (value: number) => `- { id: a, type: transform, config: { value: ${value} } }`;

test('a flow is kept as long as a run may be parked with it, and stored once a month at most', async () => {
  const state = new HandState();
  let now = 0;
  const versions = new FlowVersions({ state, now: () => now });
  const flow = await flowOf(plain(1));
  for (; now < 62 * DAY_MS; now += DAY_MS) {
    await versions.keep(tenant, [currentFlow(flow)]);
    const { ttlMs } = state.sets.at(-1) ?? { ttlMs: 0 };
    const storedAt = now >= 32 * DAY_MS ? 32 * DAY_MS : 0;
    // Parked for 31 days from now on, and 31 more to be replayed.
    expect(storedAt + ttlMs).toBeGreaterThanOrEqual(now + 62 * DAY_MS);
  }
  expect(state.sets).toHaveLength(2);
  const gone = await versions.load(tenant, [[flow.name, flow.digest]], new Map());
  expect(gone.map(({ isCurrent, json }) => [isCurrent, JSON.parse(json())])).toEqual([[false, flow]]);
  const [there] = await versions.load(tenant, [[flow.name, flow.digest]], new Map([[flow.name, flow]]));
  expect(there?.isCurrent).toBe(true);
});

test('one that is another by now and is not kept is named, and is kept for no other tenant', async () => {
  const state = new HandState();
  const versions = new FlowVersions({ state, now: () => 0 });
  const flow = await flowOf(plain(1));
  await versions.keep(tenant, [currentFlow(flow)]);
  const wanted = [[flow.name, flow.digest]] as const;
  const current = new Map([[flow.name, { ...flow, digest: 'another' }]]);
  await expect(versions.load(parseTenantId('globex'), wanted, current)).rejects.toMatchObject({
    code: 'flow_changed',
    message: expect.stringContaining('The flow orders is another one by now'),
  });
});

test('a flow goes with all that it waits for, each once, and with nothing that it only starts', async () => {
  const call = (type: string, flow: string) => `- { id: a, type: ${type}, config: { flow: ${flow} } }`;
  const flows = new Map<string, Flow>();
  for (const [name, nodes] of [
    ['one', call('flow', 'two')],
    ['two', call('flow', 'three')],
    ['three', call('async', 'four')],
    ['four', plain(4)],
  ] as const)
    flows.set(name, await named(name, nodes));
  expect(waitedFlows('one', flows).map(({ name }) => name)).toEqual(['one', 'two', 'three']);
});

test('a run goes on through the versions that it is given, and every other run through the flows as they are', async () => {
  const h = harness();
  const nodes = (value: number) => `- { id: a, type: flow, config: { flow: sub, input: ${value} } }`;
  const now = [await flowOf(nodes(1)), await named('sub', plain(10))];
  const old = [
    { ...(await flowOf(nodes(2))), digest: 'old-orders' },
    { ...(await named('sub', plain(20))), digest: 'old-sub' },
  ];
  const called = (flow: Flow): Flow => ({ ...flow, triggers: [{ type: 'call', target: 'a' }] });
  const program = new FlowProgram([...now.slice(0, 1), ...now.slice(1).map(called)], {
    ...{ limits: DEFAULT_LIMITS, scripts, host: h.host },
  });
  const event = new RunEvent(JSON.stringify(EVENT));
  const order = { runId: RUN, flow: 'orders', trigger: 0, position: 1, journal: [] };
  const output = async (flows: readonly Flow[]) => {
    const versions = flows.map((flow) => JSON.stringify(flow));
    return (await program.run({ ...order, versions }, event, h.host)).output;
  };
  const [orders, sub] = old;
  if (orders === undefined || sub === undefined) throw new Error('Two flows were expected.');
  expect(await output([])).toBe('10');
  expect(await output([orders, called(sub)])).toBe('20');
  expect(await output([orders])).toBe('10');
  expect(await output([{ ...called(sub), name: 'gone' }])).toBe('10');
  // Many versions push out the oldest, which is compiled again.
  for (let index = 0; index < 40; index += 1) await output([{ ...called(sub), digest: `d${index}` }]);
  expect(await output([orders, called(sub)])).toBe('20');
});
