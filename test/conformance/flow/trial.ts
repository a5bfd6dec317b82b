import { GtpackError, type Problem } from '../../../host/errors.ts';
import type { Json } from '../../../host/event/json.ts';
import { matchesTokens } from '../../../host/event/type-pattern.ts';
import { callProblems, withCalledAnswers } from '../../../host/flow/check-calls.ts';
import { keyText, valueAt } from '../../../host/flow/correlation.ts';
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
import type { ArrivedEvent, RunOrder, RunOutcome } from '../../../host/sandbox/protocol.ts';
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
    const arrives = [...(flowCase.arrives ?? [])].map((arrival, at) => ({
      ...event,
      ...arrival,
      id: `a${at}`,
    }));
    const outcome = await toEnd({ program, world, arrives }, match, JSON.stringify(event));
    if (outcome.status !== 'passed') runs.set(`${match.flow.name}/${match.trigger}`, outcome);
  }
  return { problems: [], world, runs };
}

interface Delivering {
  readonly program: FlowProgram;
  readonly world: World;
  /** Events that have not come yet. */
  readonly arrives: CaseEvent[];
}

async function toEnd(delivering: Delivering, match: Match, event: string): Promise<RunOutcome> {
  const { program, world } = delivering;
  const order = { runId: 'a'.repeat(32), flow: match.flow.name, trigger: match.trigger, position: 1 };
  world.journal.clear();
  let more: { readonly arrived?: ArrivedEvent } = {};
  for (let delivery = 0; delivery < MAX_DELIVERIES; delivery += 1) {
    const journal = [...world.journal].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
    const { host, died } = world.cell();
    const outcome = await Promise.race([
      program.run({ ...order, ...more, journal }, new RunEvent(event), host),
      died,
    ]);
    if (outcome === undefined) continue;
    if (outcome.status !== 'waiting') return outcome;
    const arrived = await arrival(delivering, order, outcome, event);
    more = arrived === undefined ? {} : { arrived };
    if (arrived === undefined) world.pass(outcome.waitMs ?? 0);
  }
  throw new Error('The run does not come to its end.');
}

/** The next event that a parked run goes on with; those that it does not want have come and gone. */
async function arrival(
  { program, world, arrives }: Delivering,
  order: Omit<RunOrder, 'journal'>,
  { parked }: RunOutcome,
  event: string,
): Promise<ArrivedEvent | undefined> {
  if (parked?.awaits === undefined) return undefined;
  const { ordinal, pattern, key } = parked.awaits;
  const tokens = pattern.split('.');
  for (let next = arrives.shift(); next !== undefined; next = arrives.shift()) {
    const isOther = key !== undefined && keyText(valueAt(next, key.path)) !== key.value;
    if (isOther || !matchesTokens(tokens, next.event_type.split('.'))) continue;
    const arrived = { ordinal, event: JSON.stringify(next) };
    const journal = parked.journal.map(({ entry }) => entry);
    const { host } = world.cell();
    const asked = { ...order, journal, arrived: { ...arrived, isOffer: true } };
    const { status } = await program.run(asked, new RunEvent(event), host);
    if (status === 'waiting') return arrived;
  }
  return undefined;
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
