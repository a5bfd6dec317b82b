import { expect } from 'vitest';
import type { Event } from '../../host/event/event.ts';
import type { Json } from '../../host/event/json.ts';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { Flow } from '../../host/flow/flow.ts';
import type { FlowHost } from '../../host/flow/flow-host.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { loadFlow } from '../../host/flow/load.ts';
import type { ScriptCompiler } from '../../host/flow/node/script.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { ProviderCall } from '../../host/sandbox/program.ts';
import type {
  ArrivedEvent,
  Effect,
  EffectAnswer,
  HttpAnswer,
  RunJournal,
  RunOutcome,
} from '../../host/sandbox/protocol.ts';

/** Instead of a script engine, where a test is about something else: a script is a JavaScript function's body. */
export const scripts: ScriptCompiler = {
  compile: ({ source }) => ({
    run: ({ scope, now, seed }) => {
      if (source === 'throw') throw new Error('boom');
      if (source === 'clock') return JSON.stringify({ now, seed });
      if (source.startsWith('text ')) return source.slice(5);
      return JSON.stringify(Object.fromEntries(Object.entries(scope).map(([k, v]) => [k, JSON.parse(v)])));
    },
  }),
};

export interface Harness {
  readonly effects: Effect[];
  readonly calls: ProviderCall[];
  readonly records: RunJournal[];
  readonly answers: { eventId: string; answer: HttpAnswer }[];
  readonly guarded: string[];
  answerEffect: (effect: Effect) => Promise<EffectAnswer>;
  answerCall: (call: ProviderCall) => Promise<EffectAnswer>;
  answerRecord: (journal: RunJournal) => Promise<EffectAnswer>;
  after: FlowHost['after'];
  readonly host: FlowHost;
}

/** @param from where its clock begins; it goes on by a millisecond at each look */
export function harness(from = 1_000): Harness {
  let clock = from;
  const made: Harness = {
    effects: [],
    calls: [],
    records: [],
    answers: [],
    guarded: [],
    answerEffect: async () => ({ kind: 'ok', output: '{}' }),
    answerCall: async () => ({ kind: 'ok', output: '{}' }),
    answerRecord: async () => ({ kind: 'ok', output: 'null' }),
    after: (ms, due) => {
      const timer = setTimeout(due, ms);
      return () => clearTimeout(timer);
    },
    host: {
      effect: (effect) => {
        made.effects.push(effect);
        return made.answerEffect(effect);
      },
      call: (call) => {
        made.calls.push(call);
        return made.answerCall(call);
      },
      record: (journal) => {
        made.records.push(journal);
        return made.answerRecord(journal);
      },
      respond: (eventId, answer) => made.answers.push({ eventId, answer }),
      log: () => undefined,
      cpuMs: () => 0,
      random: () => 0.5,
      after: (ms, due) => made.after(ms, due),
      now: () => {
        clock += 1;
        return clock;
      },
      guard: (label, fn) => {
        made.guarded.push(label);
        return fn();
      },
    },
  };
  return made;
}

export const EVENT: Event = {
  id: 'e1',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: 1_700_000_000_000,
  payload: { order: { id: 42, total: 99.5 }, name: 'Ann' },
  metadata: {
    trace_id: 'a'.repeat(32),
    correlation_id: 'c1',
    hops: 2,
    http: { method: 'POST', path: '/x', headers: { 'x-github-event': 'push' }, query: {} },
  },
};

export const RUN = '0123456789abcdef0123456789abcdef';

/** Nodes in YAML; the first one is the trigger's target unless another is named. */
export async function flowOf(nodes: string, target = 'a', reach: FlowReach = NO_REACH): Promise<Flow> {
  const text = `name: orders\nversion: "1"\nnodes:\n${nodes.replace(/^/gm, '  ')}\ntriggers:\n  - { type: event, event_type: ">", target: ${target} }\n`;
  return loadFlow({ text, file: 'orders.ygtc', scripts: {} }, reach);
}

export interface RunOptions {
  readonly event?: Partial<Event>;
  readonly journal?: readonly string[];
  /** Of the event on the bus. Default 1. */
  readonly position?: number;
  /** What a parked run is resumed with, or asked about. */
  readonly arrived?: ArrivedEvent;
  readonly limits?: Partial<typeof DEFAULT_LIMITS>;
  readonly target?: string;
  readonly reach?: FlowReach;
}

export async function run(
  nodes: string,
  h: Harness = harness(),
  options: RunOptions = {},
): Promise<RunOutcome> {
  const program = new FlowProgram([await flowOf(nodes, options.target, options.reach)], {
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    scripts,
    host: h.host,
  });
  expect(program.problems()).toEqual([]);
  const event = new RunEvent(JSON.stringify({ ...EVENT, ...options.event }));
  return program.run(
    {
      runId: RUN,
      flow: 'orders',
      trigger: 0,
      position: options.position ?? 1,
      journal: options.journal ?? [],
      ...(options.arrived === undefined ? {} : { arrived: options.arrived }),
    },
    event,
    h.host,
  );
}

export function outputOf(outcome: RunOutcome): Json {
  expect(outcome.error).toBeUndefined();
  return JSON.parse(outcome.output ?? '"no output"') as Json;
}

export interface Entry {
  readonly node: string;
  readonly status: string;
  readonly next: string | null;
  readonly output?: Json;
  readonly error?: { readonly code: string; readonly message: string };
  readonly notes?: readonly string[];
}

export function journalOf(outcome: RunOutcome): Entry[] {
  return JSON.parse(outcome.journalJson) as Entry[];
}
