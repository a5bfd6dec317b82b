import { GtpackError, type Problem } from '../../../host/errors.ts';
import type { Json } from '../../../host/event/json.ts';
import { callProblems, withCalledAnswers } from '../../../host/flow/check-calls.ts';
import { FlowProgram } from '../../../host/flow/executor.ts';
import type { Flow } from '../../../host/flow/flow.ts';
import { type FlowReach, NO_REACH } from '../../../host/flow/flow-reach.ts';
import { loadFlow } from '../../../host/flow/load.ts';
import { FlowMatcher, type Match } from '../../../host/flow/match.ts';
import type { ScriptCompiler } from '../../../host/flow/node/script.ts';
import { RunEvent } from '../../../host/flow/scope.ts';
import { NO_GRANTS } from '../../../host/grant/grants.ts';
import { HttpGrant, httpGrantShape } from '../../../host/grant/http-grant.ts';
import { DEFAULT_LIMITS } from '../../../host/limits.ts';
import type { RunOutcome } from '../../../host/sandbox/protocol.ts';
import type { FlowCase } from './case.ts';
import { World } from './world.ts';

/** Of a run that waits for ever. */
const MAX_DELIVERIES = 50;

/** What the flows of every case may reach. */
const REACH: FlowReach = {
  ...NO_REACH,
  grantee: 'the tenant shop',
  grants: {
    ...NO_GRANTS,
    http: new HttpGrant(
      httpGrantShape.parse({
        hosts: ['api.example.com', 'status.example.com'],
        methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
        auth: [{ secret: 'API_TOKEN', hosts: ['api.example.com'] }],
      }),
    ),
  },
  providers: new Map([
    ['events-email-sendgrid', { kind: 'email', invokes: true, operations: ['send', 'send_template'] }],
    ['events-sms-twilio', { kind: 'sms', invokes: true, operations: ['send', 'segments'] }],
    ['crm', { kind: 'custom', invokes: true, operations: ['lookup', 'save'] }],
    ['shop-worker', { kind: 'custom', invokes: true, operations: ['price'] }],
    ['events-webhook', { kind: 'webhook', invokes: false, operations: [] }],
  ]),
};

export interface Trial {
  /** What keeps the flows from being loaded. */
  readonly problems: readonly Problem[];
  readonly world: World;
  /** Runs that the event started, by `flow/trigger`. */
  readonly runs: ReadonlyMap<string, RunOutcome>;
}

/** Loads the flows of a case and runs all that its event starts, each to its end. */
export async function tryCase(flowCase: FlowCase, scripts: ScriptCompiler): Promise<Trial> {
  const world = new World(flowCase);
  const none = { world, runs: new Map<string, RunOutcome>() };
  const { flows, problems } = await load(flowCase);
  if (problems.length > 0) return { ...none, problems };
  const limits = { ...DEFAULT_LIMITS, ...flowCase.limits };
  const program = new FlowProgram(flows, { limits, scripts, host: world.cell().host });
  if (program.problems().length > 0) return { ...none, problems: program.problems() };
  const { event, schedule } = eventOf(flowCase);
  const runs = new Map<string, RunOutcome>();
  const matches = new FlowMatcher(flows).match({ type: event.event_type, ...schedule });
  for (const match of matches.filter(({ flow }) => flow.name === 'main' || flowCase.starts !== undefined)) {
    const outcome = await toEnd(program, match, JSON.stringify(event), world);
    if (outcome.status !== 'passed') runs.set(`${match.flow.name}/${match.trigger}`, outcome);
  }
  return { problems: [], world, runs };
}

async function toEnd(program: FlowProgram, match: Match, event: string, world: World): Promise<RunOutcome> {
  const order = { runId: 'a'.repeat(32), flow: match.flow.name, trigger: match.trigger, position: 1 };
  world.journal.clear();
  for (let delivery = 0; delivery < MAX_DELIVERIES; delivery += 1) {
    const journal = [...world.journal].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
    const { host, died } = world.cell();
    const outcome = await Promise.race([program.run({ ...order, journal }, new RunEvent(event), host), died]);
    if (outcome === undefined) continue;
    if (outcome.status !== 'waiting') return outcome;
    world.pass(outcome.waitMs ?? 0);
  }
  throw new Error('The run does not come to its end.');
}

async function load(
  flowCase: FlowCase,
): Promise<{ readonly flows: readonly Flow[]; readonly problems: readonly Problem[] }> {
  const main = flowCase.flow ?? textOf('main', flowCase.nodes ?? []);
  const others = Object.entries(flowCase.flows ?? {}).map(
    ([name, of]) => [name, typeof of === 'string' ? of : textOf(name, of)] as const,
  );
  const own = new Map([['worker', 'shop-worker']]);
  const reach = flowCase.in_pack === true ? { ...REACH, own } : REACH;
  const flows: Flow[] = [];
  const problems: Problem[] = [];
  for (const [name, text] of [['main', main] as const, ...others]) {
    try {
      flows.push(await loadFlow({ text, file: `${name}.ygtc`, scripts: flowCase.scripts ?? {} }, reach));
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (problems.length === 0) problems.push(...callProblems(flows));
  return { flows: withCalledAnswers(flows), problems };
}

/** A flow of nodes that any event starts with the first of them. JSON is YAML. */
function textOf(name: string, nodes: readonly unknown[]): string {
  const [first] = nodes as readonly { readonly id: string }[];
  const triggers = [{ type: 'event', event_type: '>', target: first?.id }];
  return JSON.stringify({ name, version: '1', nodes, triggers }, null, 2);
}

interface CaseEvent {
  readonly id: string;
  readonly event_type: string;
  readonly [key: string]: Json;
}

function eventOf({ event: written = {} }: FlowCase): {
  readonly event: CaseEvent;
  readonly schedule: { readonly schedule?: string };
} {
  const { event_type = 'order.created', headers, hops, schedule } = written;
  const http = headers && { method: 'POST', path: '/events/webhook/shop/x', headers, query: {} };
  const event = {
    id: 'e1',
    event_type,
    source: 'events-webhook',
    timestamp: 1_700_000_000_000,
    payload: written.payload ?? { order: { id: 42, total: 99.5 }, name: 'Ann' },
    metadata: {
      correlation_id: 'c1',
      hops: hops ?? 0,
      ...(http === undefined ? {} : { http }),
      ...(schedule === undefined ? {} : { schedule }),
    },
  };
  return { event, schedule: schedule === undefined ? {} : { schedule } };
}
