import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { Flow, FlowNode, RoundBody } from '../../host/flow/flow.ts';
import type { FlowHost } from '../../host/flow/flow-host.ts';
import type { NodeOutcome } from '../../host/flow/journal.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { Effect, EffectAnswer, RunJournal, RunOutcome } from '../../host/sandbox/protocol.ts';

/** Rounds of a foreach. */
const MOST_AT_ONCE = 3;

/** One node of a chain; its place in the chain gives its id. */
const node = fc.oneof(
  fc.record({ kind: fc.constant('transform' as const), skip: fc.boolean() }),
  fc.record({ kind: fc.constant('publish' as const), skip: fc.boolean() }),
  fc.record({
    kind: fc.constant('http' as const),
    skip: fc.boolean(),
    fault: fc.constantFrom('none', 'passing', 'lasting', 'final'),
    wait: fc.constantFrom(1000, 60_000),
    handler: fc.nat(3),
  }),
  fc.record({ kind: fc.constant('event' as const), skip: fc.boolean() }),
  fc.record({
    kind: fc.constant('wait' as const),
    skip: fc.boolean(),
    wait: fc.constantFrom(1000, 60_000),
  }),
  fc.record({ kind: fc.constant('branch' as const), skip: fc.boolean(), far: fc.nat(3) }),
  fc.record({
    kind: fc.constantFrom('flow' as const, 'foreach' as const, 'parallel' as const, 'async' as const),
    skip: fc.boolean(),
    fault: fc.constantFrom('none', 'passing', 'lasting', 'final'),
    wait: fc.constantFrom(1000, 60_000),
    items: fc.nat(3),
    concurrency: fc.integer({ min: 1, max: MOST_AT_ONCE }),
    collects: fc.boolean(),
    callsFlow: fc.boolean(),
  }),
);

type Shape = typeof node extends fc.Arbitrary<infer T> ? T : never;

type HttpShape = Pick<Extract<Shape, { kind: 'http' }>, 'fault' | 'wait'>;

function httpNode({ fault, wait }: HttpShape) {
  const config = {
    method: 'POST',
    url: 'http://a/',
    body: '{{ input }}',
    query: { fault },
    expect: [{ from: 200, to: 299 }],
  };
  return { type: 'http', config, retry: { attempts: 3, backoffMs: wait, maxBackoffMs: wait } } as const;
}

/** What rounds go through: a chain of nodes that begins with `first` and ends at `next`. */
function chainOf(first: string, next: string, shape: HttpShape): FlowNode[] {
  const fields = { of: '{{ input }}' };
  return [
    { id: first, line: 0, next: `${first}p`, ...httpNode(shape), onError: 'continue' },
    {
      id: `${first}p`,
      line: 0,
      next: `${first}q`,
      type: 'publish',
      config: { event_type: 'made', payload: '{{ input }}' },
    },
    { id: `${first}q`, line: 0, next, type: 'event', config: { provider: 'p', action: 'do', fields } },
  ];
}

/** The flow that others call; it fails where its event says so. */
function calledFlow(): Flow {
  const nodes: FlowNode[] = [
    ...chainOf('c', 'd', { fault: 'passing', wait: 60_000 }),
    { id: 'd', line: 0, next: 'w', ...httpNode({ fault: 'none', wait: 1000 }) },
    { id: 'w', line: 0, type: 'wait', config: { durationMs: 90_000 } },
  ];
  return flowWith('g', nodes, [{ type: 'call', target: 'c' }]);
}

function flowWith(name: string, nodes: readonly FlowNode[], triggers: Flow['triggers']): Flow {
  return {
    name,
    version: '1',
    digest: '',
    file: name,
    nodes,
    triggers,
    scripts: {},
    answersWebhook: false,
  };
}

function flowOf(shapes: readonly Shape[]): Flow {
  const at = (index: number) => (index < shapes.length ? `n${index}` : 'end');
  const bodies: FlowNode[] = [];
  const nodes = shapes.map((shape, index): FlowNode => {
    const base = { id: `n${index}`, line: index, next: at(index + 1), output: `o${index}` };
    const when = shape.skip ? { when: `event.payload.n > ${index}` } : {};
    if (shape.kind === 'transform') {
      const value = { from: '{{ input }}', steps: '{{ size(steps) }}', at: index };
      return { ...base, ...when, type: 'transform', config: { value } };
    }
    if (shape.kind === 'publish') {
      return { ...base, ...when, type: 'publish', config: { event_type: 'made', payload: '{{ input }}' } };
    }
    if (shape.kind === 'http') {
      const onError = shape.handler === 0 ? 'continue' : at(index + shape.handler);
      return { ...base, ...when, ...httpNode(shape), onError };
    }
    if (shape.kind === 'wait') return { ...base, ...when, type: 'wait', config: { durationMs: shape.wait } };
    if (shape.kind === 'event') {
      const fields = { from: '{{ input }}' };
      return { ...base, ...when, type: 'event', config: { provider: 'p', action: 'do', fields } };
    }
    if (shape.kind === 'branch') {
      const expression = `event.payload.n % 2 == ${index % 2}`;
      const conditions = [{ expression, next: at(index + 1 + shape.far) }];
      return { ...base, ...when, type: 'branch', config: { conditions } };
    }
    const call = { flow: 'g', input: '{{ input }}', line: 0, column: 0 };
    if (shape.kind === 'async') return { ...base, ...when, type: 'async', config: call };
    if (shape.kind === 'flow') return { ...base, ...when, type: 'flow', config: call, onError: 'continue' };
    const { items, concurrency, collects, callsFlow } = shape;
    const round = (name: string, calls: boolean): RoundBody => {
      if (calls) return { kind: 'flow', call };
      const first = `n${index}${name}`;
      bodies.push({ id: first, line: 0, ...httpNode(shape), next: `${first}c` });
      bodies.push(...chainOf(`${first}c`, base.id, { fault: 'none', wait: 1000 }));
      return { kind: 'chain', target: first };
    };
    const shared = { ...base, ...when, onError: 'continue' };
    if (shape.kind === 'foreach') {
      const list = Array.from({ length: items }, (_, item) => item);
      // Of rounds that run at once, a failure keeps others from beginning or comes too late to.
      const isCertain = collects || shape.fault === 'none' || callsFlow;
      const config = {
        items: list,
        body: round('x', callsFlow),
        concurrency: isCertain ? concurrency : 1,
        collects,
      };
      return { ...shared, type: 'foreach', config };
    }
    const branches = [
      // A branch that waits is left where it is once another has failed.
      { name: 'x', body: round('x', callsFlow && (collects || shape.fault === 'none')) },
      { name: 'y', body: round('y', false) },
    ];
    return { ...shared, type: 'parallel', config: { branches, collects } };
  });
  return flowWith('f', [...nodes, ...bodies], [{ type: 'event', pattern: '>', target: 'n0' }]);
}

const LIMITS = { ...DEFAULT_LIMITS, maxEffectsPerRun: 10_000, maxFlowSteps: 10_000 };

/** A bus that stores what effects bring, and the world that they reach. */
class Store {
  readonly journal = new Map<number, string>();
  readonly published: string[] = [];
  /** Requests and calls by the key that each carries, in the order in which they came first. */
  readonly done = new Map<string, number>();
  clock = 0;

  publish(effect: Effect): void {
    this.record(effect.run);
    this.published.push(...effect.events.map((event) => event.id));
  }

  record(run: RunJournal | null): void {
    for (const { ordinal, entry } of run?.journal ?? []) this.journal.set(ordinal, entry);
  }

  /** @returns how often it came */
  take(key: string): number {
    const times = (this.done.get(key) ?? 0) + 1;
    this.done.set(key, times);
    return times;
  }
}

/** @param killAfter the exchange with the host whose answer the cell does not live to hear; undefined comes back then */
async function attempt(
  flow: Flow,
  n: number,
  store: Store,
  killAfter: number,
): Promise<RunOutcome | undefined> {
  let exchanges = 0;
  const killed = Promise.withResolvers<undefined>();
  let isDead = false;
  const never = new Promise<never>(() => undefined);
  const answered = (output: string): Promise<EffectAnswer> => {
    exchanges += 1;
    if (exchanges !== killAfter) return Promise.resolve({ kind: 'ok', output });
    isDead = true;
    killed.resolve(undefined);
    return never;
  };
  const host: FlowHost = {
    effect: async (effect) => {
      // Of what goes on in a cell that is gone, nothing reaches anybody.
      if (isDead) return never;
      if (effect.capability === 'bus') {
        store.publish(effect);
        return answered('{}');
      }
      const { body, url } = JSON.parse(effect.args[0] ?? '') as {
        body: string;
        url: string;
      };
      const times = store.take(`${effect.key} ${body}`);
      const status = statusOf(url, times);
      return answered(JSON.stringify({ status, headers: {}, body: 'done', body_encoding: 'utf8' }));
    },
    call: async ({ key, input, spend }) => {
      if (isDead) return never;
      spend();
      store.take(`${key} ${input}`);
      return answered(input);
    },
    record: async (journal) => {
      if (isDead) return never;
      store.record(journal);
      return answered('null');
    },
    respond: () => undefined,
    log: () => undefined,
    cpuMs: () => 0,
    random: () => 0.5,
    after: (ms, due) => {
      const timer = setImmediate(() => {
        if (isDead) return;
        store.clock += ms;
        due();
      });
      return () => clearImmediate(timer);
    },
    now: () => store.clock,
    guard: (_, fn) => fn(),
  };
  const scripts = {
    compile: () => {
      throw new Error('There are no scripts here.');
    },
  };
  const program = new FlowProgram([flow, calledFlow()], { limits: LIMITS, scripts, host });
  const event = { id: 'e', event_type: 'x', source: 's', timestamp: 0, payload: { n } };
  const order = { runId: 'a'.repeat(32), flow: 'f', trigger: 0, position: 1, journal: entriesOf(store) };
  const run = program.run(order, new RunEvent(JSON.stringify(event)), host);
  const outcome = await Promise.race([run, killed.promise]);
  if (outcome?.status !== 'waiting') return outcome;
  store.clock += outcome.waitMs ?? 0;
  return attempt(flow, n, store, Math.max(0, killAfter - exchanges));
}

function entriesOf({ journal }: Store): string[] {
  return [...journal].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
}

function statusOf(url: string, times: number): number {
  if (url.endsWith('fault=final')) return 404;
  return url.endsWith('fault=lasting') || (url.endsWith('fault=passing') && times < 3) ? 503 : 200;
}

/** All that is the same however often a run was killed: not how many tries it took, and how long. */
function lasting(outcome: RunOutcome | undefined): unknown {
  if (outcome === undefined) throw new Error('The run was killed.');
  const { status, output, journalJson } = outcome;
  const journal = JSON.parse(journalJson) as (NodeOutcome & { error?: { code: string } })[];
  return {
    status,
    output,
    // Chains that run at once are journalled as they come.
    journal: journal
      .map(({ frame, node: id, status: end, next, output: json, error }) =>
        JSON.stringify({ frame, node: id, end, next, json, code: error?.code }),
      )
      .toSorted(),
  };
}

test('B3: a run that is killed at any of its effects, any number of times, ends as if it had not been', async () => {
  const shapes = fc.array(node, { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fc.nat(12),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }),
      async (chain, n, kills) => {
        const flow = flowOf(chain);
        const calm = new Store();
        const expected = await attempt(flow, n, calm, 0);
        expect(expected?.error).toBeUndefined();

        const stormy = new Store();
        for (const kill of kills) await attempt(flow, n, stormy, kill);
        const outcome = await attempt(flow, n, stormy, 0);
        expect(lasting(outcome)).toEqual(lasting(expected));
        expect(stormy.published.toSorted()).toEqual(calm.published.toSorted());
        // Only what was under way when the cell died came again, and then it was the same.
        expect([...stormy.done.keys()].toSorted()).toEqual([...calm.done.keys()].toSorted());
        const all = (store: Store) => [...store.done.values()].reduce((sum, times) => sum + times, 0);
        expect(all(stormy) - all(calm)).toBeLessThanOrEqual(kills.length * MOST_AT_ONCE);
      },
    ),
    { numRuns: 300 },
  );
});
