import type { Json } from '../event/json.ts';
import type { Path } from '../yaml.ts';
import type { FlowCall, RoundBody } from './flow.ts';
import { callShape, configShapes } from './flow-file.ts';
import { type FlowProblems, kindOf } from './flow-problems.ts';
import type { ConfigRead, Edge } from './read-node.ts';

/** The nodes that call flows or go through chains of nodes. */

export function readCall(config: unknown, path: Path, problems: FlowProblems): FlowCall | undefined {
  const read = problems.parse(callShape, config, path);
  return read && callOf(read.flow, read.input, path, problems);
}

function callOf(flow: string, input: Json | undefined, path: Path, problems: FlowProblems): FlowCall {
  const place = problems.placeIn([...path, 'flow'], flow, 0);
  return { flow, ...(input === undefined ? {} : { input }), ...place };
}

interface BodyRead {
  readonly body: RoundBody;
  readonly edges: readonly Edge[];
}

function chain(target: string, path: Path): BodyRead {
  return { body: { kind: 'chain', target }, edges: [{ target, path, isRound: true }] };
}

export function readForeach(config: unknown, path: Path, problems: FlowProblems): ConfigRead | undefined {
  const read = problems.parse(configShapes.foreach, config, path);
  if (read === undefined) return undefined;
  const { items, concurrency = 1, errors } = read;
  if (!Array.isArray(items) && !(typeof items === 'string' && items.includes('{{'))) {
    problems.at([...path, 'items'], {
      message: `A list was expected, or a {{ template }} that gives one; ${kindOf(items)} came.`,
    });
  }
  const body = foreachBody(read, path, problems);
  if (body === undefined) return undefined;
  const part = { items, body: body.body, concurrency, collects: errors === 'collect' };
  return { part: { type: 'foreach', config: part }, edges: body.edges };
}

function foreachBody(
  read: {
    readonly do?: string | undefined;
    readonly flow?: string | undefined;
    readonly input?: Json | undefined;
  },
  path: Path,
  problems: FlowProblems,
): BodyRead | undefined {
  const { do: target, flow, input } = read;
  if ((target === undefined) === (flow === undefined)) {
    problems.at(path, {
      message: target === undefined ? 'Neither `do` nor `flow` is given.' : 'Both `do` and `flow` are given.',
      cure: 'Say what is done for each item: `do` with the id of a node, or `flow` with the name of a flow.',
    });
    return undefined;
  }
  if (flow !== undefined) {
    return { body: { kind: 'flow', call: callOf(flow, input, path, problems) }, edges: [] };
  }
  if (input !== undefined) {
    problems.atKey([...path, 'input'], {
      message: '`input` means nothing to nodes of the same flow: their input is the item.',
      cure: 'Leave it out.',
    });
  }
  return target === undefined ? undefined : chain(target, [...path, 'do']);
}

export function readParallel(config: unknown, path: Path, problems: FlowProblems): ConfigRead | undefined {
  const read = problems.parse(configShapes.parallel, config, path);
  if (read === undefined) return undefined;
  const edges: Edge[] = [];
  const branches: { name: string; body: RoundBody }[] = [];
  for (const [name, written] of Object.entries(read.branches)) {
    const at = [...path, 'branches', name];
    const branch = typeof written === 'string' ? chain(written, at) : branchFlow(written, at, problems);
    if (branch === undefined) continue;
    branches.push({ name, body: branch.body });
    edges.push(...branch.edges);
  }
  return { part: { type: 'parallel', config: { branches, collects: read.errors === 'collect' } }, edges };
}

function branchFlow(written: Json, path: Path, problems: FlowProblems): BodyRead | undefined {
  const call = readCall(written, path, problems);
  return call && { body: { kind: 'flow', call }, edges: [] };
}
