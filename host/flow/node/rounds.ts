import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { checkJsonBounds } from '../../event/json-bounds.ts';
import type { FlowCall, FlowCallNode, ForeachNode, ParallelNode, RoundBody } from '../flow.ts';
import { kindOf } from '../flow-problems.ts';
import type { RunScope } from '../scope.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeStep, NodeTools, Round } from './node.ts';

/** Of one node; each takes steps of its run's. */
export const MAX_ITEMS = 1000;

/** Runs another flow of the tenant as part of this run; its output is the node's. */
export function compileFlowCall(node: FlowCallNode, tools: NodeTools): CompiledNode {
  const input = compileInput(node.id, node.config, tools);
  const { flow } = node.config;
  return {
    run: (step) => ({
      rounds: [{ name: '', body: { kind: 'flow', flow, input: () => input(step, step.scope) } }],
      concurrency: 1,
      collects: false,
      output: ([output = 'null']) => output,
    }),
  };
}

/** Goes through a list, one round for each item; the output is the list of their outputs, in the order of the items. */
export function compileForeach(node: ForeachNode, tools: NodeTools): CompiledNode {
  const { items, body, concurrency, collects } = node.config;
  const list = compileValue(items, tools);
  const round = compileBody(node.id, body, tools);
  return {
    run(step) {
      const values = step.guard(() => itemsOf(node.id, list.render(step.scope.cel)));
      return {
        rounds: values.map((item, index) => {
          const named = { item, index: String(index) };
          return { name: String(index), body: round(step, (scope) => scope.fork(named, item)) };
        }),
        concurrency,
        collects,
        output: (outputs) => `[${outputs.join(',')}]`,
      };
    },
  };
}

/** Goes several ways at once and waits for all of them; the output has theirs by their names. */
export function compileParallel(node: ParallelNode, tools: NodeTools): CompiledNode {
  const { branches, collects } = node.config;
  const compiled = branches.map(({ name, body }) => ({ name, round: compileBody(node.id, body, tools) }));
  return {
    run: (step) => ({
      rounds: compiled.map(({ name, round }) => ({ name, body: round(step, (scope) => scope.fork({})) })),
      concurrency: branches.length,
      collects,
      output: (outputs) =>
        `{${branches.map(({ name }, at) => `${JSON.stringify(name)}:${outputs[at] ?? 'null'}`).join(',')}}`,
    }),
  };
}

type Fork = (scope: RunScope) => RunScope;

/** @returns what makes a round of a body, by what its scope has besides the node's */
function compileBody(
  id: string,
  body: RoundBody,
  tools: NodeTools,
): (step: NodeStep, fork: Fork) => Round['body'] {
  if (body.kind === 'chain') {
    const { target } = body;
    return (step, fork) => ({ kind: 'chain', target, scope: () => fork(step.scope) });
  }
  const input = compileInput(id, body.call, tools);
  const { flow } = body.call;
  return (step, fork) => ({ kind: 'flow', flow, input: () => input(step, fork(step.scope)) });
}

/** What a flow is given: the `input` of its call, else what its caller has before it. */
export function compileInput(
  id: string,
  { input }: FlowCall,
  tools: NodeTools,
): (step: NodeStep, scope: RunScope) => string {
  if (input === undefined) return (_, scope) => scope.inputJson;
  const template = compileValue(input, tools);
  return (step, scope) => {
    const json = step.guard(() => JSON.stringify(template.render(scope.cel)));
    checkJsonBounds(json, tools.bounds, `The input of node ${id}`);
    return json;
  };
}

/** @returns JSON texts @throws GtpackError `flow_items_invalid` */
function itemsOf(id: string, items: Json): string[] {
  if (!Array.isArray(items)) {
    throw new GtpackError(
      'flow_items_invalid',
      `The items of node ${id} are no list: ${kindOf(items)} came.`,
    );
  }
  if (items.length <= MAX_ITEMS) return items.map((item: Json) => JSON.stringify(item));
  throw new GtpackError(
    'flow_items_invalid',
    `The node ${id} has ${items.length} items; at most ${MAX_ITEMS} are allowed.`,
    { cure: 'Publish an event for each part of them, or let whoever makes the list make a shorter one.' },
  );
}
