import type { Json } from '../event/json.ts';
import type { Path } from '../yaml.ts';
import { suggestion } from '../yaml.ts';
import { type FlowNode, NODE_TYPES, type NodeType, type Retry } from './flow.ts';
import { configShapes, isJson, nodeShape } from './flow-file.ts';
import type { FlowProblems } from './flow-problems.ts';
import { readCall, readForeach, readParallel } from './read-rounds.ts';
import { readWait, refuseTries } from './read-wait.ts';

/** A target and where it is written. */
export interface Edge {
  readonly target: string;
  readonly path: Path;
  /** It may be `continue`, too. */
  readonly mayContinue?: true;
  /** It leads into a round of the node. */
  readonly isRound?: true;
}

/** A node as far as it could be read. */
export interface NodeDraft {
  readonly path: Path;
  readonly line: number;
  readonly id?: string;
  readonly targets: readonly Edge[];
  readonly type?: string;
  readonly when?: string;
  readonly output?: string;
  /** Undefined where the node has a problem. */
  readonly node?: FlowNode;
}

export function readNode(raw: unknown, path: Path, problems: FlowProblems): NodeDraft {
  const line = problems.placeIn(path, '', 0).line;
  const base = problems.parse(nodeShape, raw, path);
  if (base === undefined) return { path, line, ...readable(raw), targets: readableTargets(raw, path) };
  const next = targetOf(base, path, problems);
  const common = {
    id: base.id,
    ...(next === undefined ? {} : { next: next.target }),
    ...(base.when === undefined ? {} : { when: base.when }),
    ...(base.output === undefined ? {} : { output: base.output }),
    ...(base.timeout === undefined ? {} : { timeoutMs: base.timeout }),
    ...(base.on_error === undefined ? {} : { onError: base.on_error }),
    ...(base.retry === undefined ? {} : { retry: retryOf(base.retry) }),
    ...(base.on_unknown === undefined ? {} : { onUnknown: base.on_unknown }),
  };
  const { backoff, max_backoff: most } = base.retry ?? {};
  if (most !== undefined && most < (backoff ?? DEFAULT_BACKOFF_MS)) {
    problems.at([...path, 'retry', 'max_backoff'], {
      message: 'The longest wait is shorter than the first, `backoff` (1s without one).',
      cure: 'Raise `max_backoff`, or lower `backoff`.',
    });
  }
  const draft = { path, line, type: base.type, ...common };
  const own = [...(next === undefined ? [] : [next]), ...failureEdges(base.on_error, path)];
  const type = knownType(base.type, [...path, 'type'], problems);
  if (type === undefined) return { ...draft, targets: own };
  if (base.on_unknown !== undefined && !WITH_EFFECTS.has(type)) {
    problems.atKey([...path, 'on_unknown'], {
      message: `\`on_unknown\` means nothing to a node of type ${type}, which does nothing outside of its run.`,
      cure: `Leave it out. Nodes with effects: ${[...WITH_EFFECTS].join(', ')}.`,
    });
  }
  if (type === 'wait') refuseTries(base, path, problems);
  const configPath = [...path, 'config'];
  const read = readConfig(type, base.config ?? {}, configPath, problems);
  if (read === undefined) return { ...draft, targets: own };
  const node: FlowNode = { ...common, line, ...read.part };
  return { ...draft, node, targets: [...own, ...read.edges] };
}

const WITH_EFFECTS: ReadonlySet<NodeType> = new Set<NodeType>(['http', 'event', 'publish', 'component']);

const DEFAULT_BACKOFF_MS = 1000;
const DEFAULT_MAX_BACKOFF_MS = 5 * 60_000;

function retryOf(written: {
  readonly attempts: number;
  readonly backoff?: number | undefined;
  readonly max_backoff?: number | undefined;
}): Retry {
  const backoffMs = written.backoff ?? DEFAULT_BACKOFF_MS;
  // A first wait that is longer than the default of the longest is meant.
  const maxBackoffMs = Math.max(backoffMs, written.max_backoff ?? DEFAULT_MAX_BACKOFF_MS);
  return { attempts: written.attempts, backoffMs, maxBackoffMs };
}

/** `continue` is the node's own next, unless a node has that id; which ones there are is not known here. */
function failureEdges(onError: string | undefined, path: Path): Edge[] {
  return onError === undefined ? [] : [{ target: onError, path: [...path, 'on_error'], mayContinue: true }];
}

export type ConfigPart = { [Node in FlowNode as Node['type']]: Pick<Node, 'type' | 'config'> }[NodeType];

export interface ConfigRead {
  readonly part: ConfigPart;
  readonly edges: readonly Edge[];
}

function readConfig(
  type: NodeType,
  config: unknown,
  path: Path,
  problems: FlowProblems,
): ConfigRead | undefined {
  switch (type) {
    case 'script': {
      const read = problems.parse(configShapes.script, config, path);
      if (read === undefined) return undefined;
      const place = problems.placeIn([...path, 'script'], read.script, 0);
      return { part: { type, config: { ...read, ...place } }, edges: [] };
    }
    case 'branch':
      return readBranch(config, path, problems);
    case 'transform': {
      const read = problems.parse(configShapes.transform, config, path);
      return read && { part: { type, config: read }, edges: [] };
    }
    case 'http_response': {
      const read = problems.parse(configShapes.http_response, config, path);
      return read && { part: { type, config: defined(read) }, edges: [] };
    }
    case 'http': {
      const read = problems.parse(configShapes.http, config, path);
      if (read === undefined) return undefined;
      const { timeout, ...rest } = read;
      const shortened = timeout === undefined ? {} : { timeoutMs: timeout };
      return { part: { type, config: { ...defined(rest), ...shortened } }, edges: [] };
    }
    case 'event':
      return readEvent(config, path, problems);
    case 'flow':
    case 'async': {
      const call = readCall(config, path, problems);
      return call && { part: { type, config: call }, edges: [] };
    }
    case 'foreach':
      return readForeach(config, path, problems);
    case 'parallel':
      return readParallel(config, path, problems);
    case 'wait': {
      const read = readWait(config, path, problems);
      return read && { part: { type, config: read }, edges: [] };
    }
    case 'component': {
      const read = problems.parse(configShapes.component, config, path);
      if (read === undefined) return undefined;
      const { provider = '', operation, input = {} } = read;
      return { part: { type, config: { provider, operation, input } }, edges: [] };
    }
    case 'publish': {
      const read = problems.parse(configShapes.publish, config, path);
      return read && { part: { type, config: defined(read) }, edges: [] };
    }
  }
}

function readEvent(config: unknown, path: Path, problems: FlowProblems): ConfigRead | undefined {
  const read = problems.parse(configShapes.event, config, path);
  if (read === undefined) return undefined;
  const { provider, action } = read;
  const fields: [string, Json][] = [];
  for (const [key, value] of Object.entries(config as object) as [string, unknown][]) {
    if (key === 'provider' || key === 'action') continue;
    if (isJson(value)) fields.push([key, value]);
    else problems.at([...path, key], { message: 'Any JSON was expected.' });
  }
  return {
    part: { type: 'event', config: { provider, action, fields: Object.fromEntries(fields) } },
    edges: [],
  };
}

function readBranch(config: unknown, path: Path, problems: FlowProblems): ConfigRead | undefined {
  const read = problems.parse(configShapes.branch, config, path);
  if (read === undefined) return undefined;
  const edges: Edge[] = [];
  const conditions = read.conditions.map((condition, index) => {
    const at = [...path, 'conditions', index];
    const edge = targetOf(condition, at, problems);
    if (edge !== undefined) edges.push(edge);
    else if (condition.next === undefined && condition.to === undefined) {
      problems.at(at, { message: 'The condition has no target.', cure: 'Add `next` with the id of a node.' });
    }
    return { expression: condition.expression, next: edge?.target ?? '' };
  });
  if (read.default === undefined) return { part: { type: 'branch', config: { conditions } }, edges };
  edges.push({ target: read.default, path: [...path, 'default'] });
  return { part: { type: 'branch', config: { conditions, default: read.default } }, edges };
}

/** `next` and `to` mean the same; both at once may contradict each other. */
function targetOf(
  value: { readonly next?: string | undefined; readonly to?: string | undefined },
  path: Path,
  problems: FlowProblems,
): Edge | undefined {
  if (value.next !== undefined && value.to !== undefined) {
    problems.atKey([...path, 'to'], {
      message: '`next` and `to` mean the same; both are given.',
      cure: 'Leave out one of them.',
    });
  }
  if (value.next !== undefined) return { target: value.next, path: [...path, 'next'] };
  return value.to === undefined ? undefined : { target: value.to, path: [...path, 'to'] };
}

function knownType(type: string, path: Path, problems: FlowProblems): NodeType | undefined {
  const known = NODE_TYPES.find((name) => name === type);
  if (known !== undefined) return known;
  const list = `Known node types: ${NODE_TYPES.join(', ')}.`;
  const near = suggestion(type, NODE_TYPES);
  problems.at(path, {
    message: `This host does not know the node type ${JSON.stringify(type)}.`,
    cure: near.startsWith('Did') ? `${near} ${list}` : list,
  });
  return undefined;
}

/** What a node with faults still says, so that others that name it are not called wrong. */
function readable(raw: unknown): { id?: string; type?: string; output?: string } {
  if (!isMap(raw)) return {};
  return {
    ...(typeof raw.id === 'string' ? { id: raw.id } : {}),
    ...(typeof raw.type === 'string' ? { type: raw.type } : {}),
    ...(typeof raw.output === 'string' ? { output: raw.output } : {}),
  };
}

function readableTargets(raw: unknown, path: Path): Edge[] {
  if (!isMap(raw)) return [];
  return (['next', 'to', 'on_error'] as const).flatMap((key) => {
    const target = raw[key];
    if (typeof target !== 'string' || target === '') return [];
    return key === 'on_error' ? failureEdges(target, path) : [{ target, path: [...path, key] }];
  });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** Zod writes no key for what is absent; its types say otherwise. */
function defined<T extends object>(value: T): Defined<T> {
  return value as Defined<T>;
}
