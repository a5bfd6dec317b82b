import type { Problem } from '../errors.ts';
import { nearest, suggestion } from '../yaml.ts';
import { callsOf } from './call.ts';
import type { Flow, FlowCall } from './flow.ts';
import { findCycles } from './graph.ts';

interface Call {
  readonly from: Flow;
  readonly call: FlowCall;
  readonly isWaited: boolean;
}

/** Holds what a tenant's flows call each other against what there is; each on its own knows the others' names not (F1). */
export function callProblems(flows: readonly Flow[]): Problem[] {
  const byName = new Map(flows.map((flow) => [flow.name, flow]));
  const calls = flows.flatMap((from) => from.nodes.flatMap(callsOf).map((each) => ({ ...each, from })));
  const problems = calls.flatMap((each) => callProblem(each, byName) ?? []);
  const graph = flows.map((flow) => ({
    id: flow.name,
    targets: calls.filter(({ from, isWaited }) => from === flow && isWaited).map(({ call }) => call.flow),
  }));
  for (const cycle of findCycles(graph)) {
    const [first, second] = cycle;
    const closing = calls.find(
      ({ from, call, isWaited }) => isWaited && from.name === first && call.flow === second,
    );
    if (closing === undefined) continue;
    problems.push({
      ...placeOf(closing),
      message: `The flows call each other without end: ${cycle.join(' → ')}.`,
      cure: 'Let one of them end without the call, or start the other by `async`, which is a run of its own.',
    });
  }
  return problems;
}

function callProblem(each: Call, byName: ReadonlyMap<string, Flow>): Problem | undefined {
  const { flow: name } = each.call;
  const called = byName.get(name);
  if (called === undefined) {
    const known = [...byName.keys()];
    return {
      ...placeOf(each),
      message: `The tenant has no flow ${JSON.stringify(name)}.`,
      cure: nearest(name, known) === undefined ? `Known here: ${known.join(', ')}.` : suggestion(name, known),
    };
  }
  if (called.triggers.some(({ type }) => type === 'call')) return undefined;
  return {
    ...placeOf(each),
    message: `The flow ${name} does not say where it begins when it is called: its triggers lead to several nodes.`,
    cure: `Add to the triggers of ${called.file}: { type: call, target: ${called.triggers[0]?.target} }`,
  };
}

function placeOf({ from, call: { line, column } }: Call): Pick<Problem, 'code' | 'file' | 'line' | 'column'> {
  return { code: 'flow_invalid', file: from.file, line, column };
}

/** The same flows, where one that waits for another answers the webhook if that one does. */
export function withCalledAnswers(flows: readonly Flow[]): Flow[] {
  const byName = new Map(flows.map((flow) => [flow.name, flow]));
  const answers = (flow: Flow, seen: Set<string>): boolean => {
    if (flow.answersWebhook) return true;
    if (seen.has(flow.name)) return false;
    seen.add(flow.name);
    return flow.nodes.flatMap(callsOf).some(({ call, isWaited }) => {
      const called = isWaited ? byName.get(call.flow) : undefined;
      return called !== undefined && answers(called, seen);
    });
  };
  return flows.map((flow) => ({ ...flow, answersWebhook: answers(flow, new Set()) }));
}
