import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Json, JsonObject } from '../../host/event/json.ts';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { FlowHost } from '../../host/flow/flow-host.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { ScriptEngine } from '../../host/flow/script/engine.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { stepKey } from '../../host/flow/step-key.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { HttpGrant, httpGrantShape } from '../../host/grant/http-grant.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { EffectAnswer, HttpAnswer, RunJournal, RunOutcome } from '../../host/sandbox/protocol.ts';
import { EVENT, RUN } from './harness.ts';

/** Flows as files hold them, all node types in them, killed wherever they touch their host. */

let engine: ScriptEngine;
beforeAll(async () => {
  engine = await ScriptEngine.create({
    wasmModule: new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>),
  });
});
afterAll(() => engine.dispose());

const reach: FlowReach = {
  ...NO_REACH,
  grants: {
    ...NO_GRANTS,
    http: new HttpGrant(httpGrantShape.parse({ hosts: ['api.example.com'], methods: ['POST'] })),
  },
  providers: new Map([['crm', { kind: 'custom', invokes: true, operations: ['save'] }]]),
  own: new Map([['crm', 'crm']]),
};

type Step =
  | {
      readonly kind: 'plain';
      readonly of: 'script' | 'throws' | 'transform' | 'publish' | 'event' | 'component';
    }
  | {
      readonly kind: 'http';
      readonly fault: 'none' | 'passing' | 'lasting' | 'final';
      readonly backoff: string;
    }
  | { readonly kind: 'wait'; readonly duration: string }
  | { readonly kind: 'branch'; readonly far: number; readonly when: string }
  | { readonly kind: 'call'; readonly of: 'flow' | 'async' }
  | { readonly kind: 'foreach'; readonly items: number; readonly concurrency: number; readonly body: Step[] }
  | { readonly kind: 'parallel'; readonly left: Step[]; readonly right: Step[] };

const CONDITIONS = [
  'true',
  'event.payload.order.id > 50',
  'event.payload.missing == 1',
  'size(steps) % 2 == 0',
];

function chain(depth: number): fc.Arbitrary<Step[]> {
  const leaf: fc.Arbitrary<Step>[] = [
    fc.record({
      kind: fc.constant('plain' as const),
      of: fc.constantFrom('script', 'throws', 'transform', 'publish', 'event', 'component'),
    }),
    fc.record({
      kind: fc.constant('http' as const),
      fault: fc.constantFrom('none', 'passing', 'lasting', 'final'),
      backoff: fc.constantFrom('1s', '1m'),
    }),
    fc.record({ kind: fc.constant('wait' as const), duration: fc.constantFrom('1s', '1h') }),
    fc.record({
      kind: fc.constant('branch' as const),
      far: fc.nat(2),
      when: fc.constantFrom(...CONDITIONS),
    }),
    fc.record({ kind: fc.constant('call' as const), of: fc.constantFrom('flow', 'async') }),
  ];
  const nested: fc.Arbitrary<Step>[] =
    depth === 0
      ? []
      : [
          fc.record({
            kind: fc.constant('foreach' as const),
            items: fc.nat(3),
            concurrency: fc.integer({ min: 1, max: 3 }),
            body: chain(depth - 1),
          }),
          fc.record({
            kind: fc.constant('parallel' as const),
            left: chain(depth - 1),
            right: chain(depth - 1),
          }),
        ];
  return fc.array(fc.oneof(...leaf, ...nested), { minLength: 1, maxLength: depth === 2 ? 7 : 3 });
}

/** The nodes of a chain and of all that is inside of it. */
class Nodes {
  readonly all: JsonObject[] = [];
  readonly #calls: string;
  #next = 0;

  /** @param calls the flow that its `flow` and `async` nodes call */
  constructor(calls: string) {
    this.#calls = calls;
  }

  /** @returns the id of the first node; `end` of none */
  add(steps: readonly Step[]): string {
    const ids = steps.map(() => {
      this.#next += 1;
      return `n${this.#next}`;
    });
    const at = (index: number): string => ids[index] ?? 'end';
    for (const [index, step] of steps.entries()) {
      const far = step.kind === 'branch' ? at(index + 1 + step.far) : '';
      const node = { id: at(index), next: at(index + 1), on_error: 'continue', ...this.#node(step, far) };
      this.all.push(node as JsonObject);
    }
    return at(0);
  }

  #node(step: Step, far: string): JsonObject {
    switch (step.kind) {
      case 'plain':
        return plain(step.of);
      case 'http': {
        const { fault, backoff } = step;
        const config = { method: 'POST', url: `https://api.example.com/${fault}`, body: ['{{ input }}'] };
        return { type: 'http', config, retry: { attempts: 3, backoff } };
      }
      case 'wait':
        return { type: 'wait', config: { duration: step.duration } };
      case 'branch':
        return { type: 'branch', config: { conditions: [{ expression: step.when, next: far }] } };
      case 'call':
        if (this.#calls === '') return plain('transform');
        return { type: step.of, config: { flow: this.#calls, input: ['{{ input }}'] } };
      case 'foreach': {
        const { items, concurrency } = step;
        const list = Array.from({ length: items }, (_, item) => item);
        return {
          type: 'foreach',
          config: { items: list, do: this.add(step.body), concurrency, errors: 'collect' },
        };
      }
      case 'parallel':
        return {
          type: 'parallel',
          config: { branches: { left: this.add(step.left), right: this.add(step.right) }, errors: 'collect' },
        };
    }
  }
}

function plain(of: Extract<Step, { kind: 'plain' }>['of']): JsonObject {
  switch (of) {
    case 'script':
      return {
        type: 'script',
        config: { script: '[Math.random(), Date.now(), JSON.stringify(input).length]' },
      };
    case 'throws':
      return { type: 'script', config: { script: 'throw Math.random()' } };
    case 'transform':
      return { type: 'transform', config: { value: { of: '{{ input }}', error: '{{ error }}' } } };
    case 'publish':
      return { type: 'publish', config: { event_type: 'made.one', payload: '{{ input }}' } };
    case 'event':
      return { type: 'event', config: { provider: 'crm', action: 'save', of: '{{ input }}' } };
    case 'component':
      return { type: 'component', config: { operation: 'save', input: { of: '{{ input }}' } } };
  }
}

async function programOf(
  main: readonly Step[],
  sub: readonly Step[],
  leaf: readonly Step[],
): Promise<FlowProgram> {
  const answer = { id: 'answer', type: 'http_response', config: { status: 202 } };
  const load = (name: string, steps: readonly Step[], calls: string) => {
    const nodes = new Nodes(calls);
    const first = nodes.add(steps);
    const all = name === 'main' ? [{ ...answer, next: first }, ...nodes.all] : nodes.all;
    const target = name === 'main' ? 'answer' : first;
    const triggers = [{ type: 'event', event_type: name === 'main' ? '>' : 'never', target }];
    const text = JSON.stringify({ name, version: '1', nodes: all, triggers }, null, 1);
    return loadFlow({ text, file: `${name}.ygtc`, scripts: {} }, reach);
  };
  const flows = [
    await load('main', main, 'sub'),
    await load('sub', sub, 'leaf'),
    await load('leaf', leaf, ''),
  ];
  const host = { guard: <T>(_: string, fn: () => T): T => fn(), cpuMs: () => 0 };
  const limits = { ...DEFAULT_LIMITS, maxEffectsPerRun: 100_000, maxFlowSteps: 100_000 };
  const program = new FlowProgram(flows, { limits, scripts: engine, host });
  expect(program.problems()).toEqual([]);
  return program;
}

const COMPLETE: ReadonlySet<unknown> = new Set(['ok', 'caught', 'skipped']);

interface Entry extends JsonObject {
  readonly n: number;
  readonly node: string;
  readonly status: string;
}

/** The bus, which keeps what was recorded, and the world outside. */
class Outside {
  readonly journal = new Map<number, string>();
  readonly events = new Map<string, string>();
  readonly answers = new Set<string>();
  /** How often each effect happened, by its key and what it said. */
  readonly happened = new Map<string, number>();
  readonly repeated: string[] = [];
  clock = 1_700_000_000_000;

  /** What the run was parked with. */
  #parked: RunJournal['journal'] = [];
  /** Of the event that is delivered. */
  position = 1;

  entries(): string[] {
    const all = new Map(this.#parked.map(({ ordinal, entry }) => [ordinal, entry]));
    for (const [ordinal, entry] of this.journal) all.set(ordinal, entry);
    return [...all].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
  }

  /** The journal goes, and another event resumes the run with what is in its timer. */
  park(journal: RunJournal['journal']): void {
    this.#parked = journal;
    this.journal.clear();
    this.position += 1;
  }

  keep(run: RunJournal | null): void {
    for (const { ordinal, entry } of run?.journal ?? []) this.journal.set(ordinal, entry);
  }

  /** @returns how often it has happened now */
  happen(key: string, what: string): number {
    if (this.#recorded().has(key)) this.repeated.push(`${key} ${what}`);
    const name = `${key} ${what}`;
    const times = (this.happened.get(name) ?? 0) + 1;
    this.happened.set(name, times);
    return times;
  }

  /** The keys of steps whose outcome is recorded. */
  #recorded(): Set<string> {
    const places = new Map<string, number>();
    const keys = new Set<string>();
    for (const json of this.entries()) {
      const { frame, node, status } = JSON.parse(json) as Entry;
      const id = typeof frame === 'string' ? frame : '';
      const place = places.get(id) ?? 0;
      if (!COMPLETE.has(status)) continue;
      places.set(id, place + 1);
      keys.add(stepKey(RUN, id, node, place));
    }
    return keys;
  }
}

/** One delivery. @param killAt the touch of its host that the cell does not outlive; @returns undefined where it did not */
async function deliver(
  program: FlowProgram,
  outside: Outside,
  killAt: number,
): Promise<RunOutcome | undefined> {
  let touches = 0;
  let isDead = false;
  const killed = Promise.withResolvers<undefined>();
  const touch = (): void => {
    touches += 1;
    if (touches !== killAt) return;
    isDead = true;
    killed.resolve(undefined);
  };
  /** The cell may end before the host hears of it, and before it hears of the answer. */
  const exchange = async (answer: () => EffectAnswer): Promise<EffectAnswer> => {
    touch();
    if (isDead) return new Promise(() => undefined);
    const given = answer();
    touch();
    return isDead ? new Promise(() => undefined) : given;
  };
  const host: FlowHost = {
    effect: ({ capability, run, events, args, key = '' }) =>
      exchange(() => {
        if (capability === 'bus') {
          outside.keep(run);
          for (const { id, json } of events) outside.events.set(id, json);
          return { kind: 'ok', output: '{}' };
        }
        const { url, body } = JSON.parse(args[0] ?? '') as { readonly url: string; readonly body: string };
        const status = statusOf(url, outside.happen(key, body));
        const output = JSON.stringify({ status, headers: {}, body: 'done', body_encoding: 'utf8' });
        return { kind: 'ok', output };
      }),
    call: ({ key, input, spend }) =>
      exchange(() => {
        spend();
        outside.happen(key, input);
        return { kind: 'ok', output: input };
      }),
    record: (journal) =>
      exchange(() => {
        outside.keep(journal);
        return { kind: 'ok', output: 'null' };
      }),
    respond: (_, answer: HttpAnswer) => {
      if (!isDead) outside.answers.add(JSON.stringify(answer));
    },
    log: () => undefined,
    cpuMs: () => 0,
    random: () => 0.5,
    now: () => outside.clock,
    after: (ms, due) => {
      const timer = setImmediate(() => {
        if (isDead) return;
        outside.clock += ms;
        due();
      });
      return () => clearImmediate(timer);
    },
    guard: (_, fn) => {
      touch();
      if (isDead) throw new Error('The cell is gone.');
      return fn();
    },
  };
  const { position } = outside;
  const order = { runId: RUN, flow: 'main', trigger: 0, position, journal: outside.entries() };
  return Promise.race([program.run(order, new RunEvent(JSON.stringify(EVENT)), host), killed.promise]);
}

function statusOf(url: string, times: number): number {
  if (url.endsWith('/final')) return 404;
  return url.endsWith('/lasting') || (url.endsWith('/passing') && times < 3) ? 503 : 200;
}

/**
 * @param kills of each delivery that is killed, at which touch
 * @param parks or it waits with its event
 */
async function toEnd(
  program: FlowProgram,
  outside: Outside,
  kills: readonly number[],
  parks: boolean,
): Promise<RunOutcome> {
  const left = [...kills];
  for (;;) {
    const outcome = await deliver(program, outside, left.shift() ?? 0);
    if (outcome === undefined) continue;
    if (outcome.status !== 'waiting') return outcome;
    // The host may die before that is stored.
    if (left.length % 3 === 1) continue;
    if (parks && outcome.parked !== undefined) outside.park(outcome.parked.journal);
    outside.clock += outcome.waitMs ?? 0;
  }
}

/** All that is the same however often a run was killed: not how many tries it took, when, and in which order chains went on. */
function lasting({ status, output, error, journalJson }: RunOutcome): Json {
  const entries = (JSON.parse(journalJson) as Entry[]).map(
    ({ frame = '', node, status: end, next, output: json }) =>
      JSON.stringify({ frame, node, end, next, json }),
  );
  return { status, output: output ?? null, error: error?.code ?? null, entries: entries.toSorted() };
}

const steps = chain(2);

test('B3: a run of any flow that is killed wherever it touches its host, and parked wherever it waits, ends as if it had not been, and repeats nothing that was recorded', async () => {
  const kills = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(steps, chain(1), chain(0), kills, fc.boolean(), async (main, sub, leaf, at, parks) => {
      const program = await programOf(main, sub, leaf);
      const calm = new Outside();
      const expected = await toEnd(program, calm, [], false);
      expect(expected.status).toBe('ok');

      const stormy = new Outside();
      const outcome = await toEnd(program, stormy, at, parks);
      expect(lasting(outcome)).toEqual(lasting(expected));
      expect(stormy.repeated).toEqual([]);
      expect([...stormy.happened.keys()].toSorted()).toEqual([...calm.happened.keys()].toSorted());
      expect([...stormy.events.keys()].toSorted()).toEqual([...calm.events.keys()].toSorted());
      expect([...stormy.answers]).toEqual([...calm.answers]);
    }),
    { numRuns: 150, seed: 6 },
  );
});
