import { createBLAKE3 } from 'hash-wasm';
import { GtpackError } from '../errors.ts';
import type { ProviderKind } from '../pack/pack.ts';
import { nearest, readYaml, suggestion } from '../yaml.ts';
import { callTrigger } from './call.ts';
import { checkConstants } from './check-constants.ts';
import { checkEffects, ownProvider } from './check-effects.ts';
import { checkExpressions } from './check-expressions.ts';
import { checkWaits } from './check-waits.ts';
import type { Flow, FlowNode, Trigger } from './flow.ts';
import { CONTINUE, RESERVED_TARGETS } from './flow.ts';
import { flowShape } from './flow-file.ts';
import { FlowProblems } from './flow-problems.ts';
import { type FlowReach, NO_REACH } from './flow-reach.ts';
import { findCycles, findUnreachable, type GraphNode, withoutRoundEnds } from './graph.ts';
import { type NodeDraft, readNode } from './read-node.ts';
import { readTrigger, type TriggerDraft } from './read-trigger.ts';
import { withStatusReaders } from './status-readers.ts';

export interface FlowSource {
  /** YAML. */
  readonly text: string;
  /** For messages. */
  readonly file: string;
  /** The helper modules of `scripts/` beside the flow, by file name. */
  readonly scripts: Readonly<Record<string, string>>;
}

/**
 * Reads and checks a flow (invariant F1). Scripts are checked in the cell, which alone may run their engine.
 * @param reach what it may reach; nothing by default
 * @throws GtpackError `yaml_invalid`, or `flow_invalid`, `expression_invalid`, `template_invalid` and `capability_denied`
 *   with every problem of the file, each with its place and cure
 */
export async function loadFlow(source: FlowSource, reach: FlowReach = NO_REACH): Promise<Flow> {
  const { text, file, scripts } = source;
  const yaml = readYaml(text, file);
  const problems = new FlowProblems(yaml, text);
  const root = problems.parse(flowShape, yaml.value, []);
  const name = root?.name ?? '';
  const parts = isMap(yaml.value) ? yaml.value : {};
  const nodes = listOf(parts.nodes).map((raw, index) => readNode(raw, ['nodes', index], problems));
  const triggers = listOf(parts.triggers).map((raw, index) =>
    readTrigger(raw, { flow: name, index }, problems),
  );

  checkIds(nodes, problems);
  checkTargets(nodes, triggers, problems);
  checkGraph(nodes, triggers, problems);
  checkCallTriggers(triggers, problems);
  checkWaits(nodes, problems);
  checkExpressions(nodes, triggers, problems);
  checkEffects(nodes, reach, problems);
  checkConstants(nodes, problems);
  problems.throwIfAny();
  if (root === undefined) throw new GtpackError('flow_invalid', 'The file has another shape.', { file });

  const checked = nodes.flatMap((draft) => (draft.node === undefined ? [] : [resolved(draft.node, reach)]));
  return {
    name,
    version: root.version,
    digest: await digestOf(source),
    file,
    nodes: withStatusReaders(checked),
    triggers: withCall(triggers.flatMap((draft) => (draft.trigger === undefined ? [] : [draft.trigger]))),
    scripts,
    answersWebhook: checked.some((node) => node.type === 'http_response'),
  };
}

/** Kinds of providers whose effects people see: nobody wants the same message twice. */
const TO_PEOPLE: ReadonlySet<unknown> = new Set(['email', 'sms']);

/** With what of it depends on the bundle. */
function resolved(node: FlowNode, { providers, own }: FlowReach): FlowNode {
  if (node.type === 'component') {
    const provider = ownProvider(node.config.provider, own) ?? node.config.provider;
    return withPolicy({ ...node, config: { ...node.config, provider } }, providers.get(provider)?.kind);
  }
  return node.type === 'event' ? withPolicy(node, providers.get(node.config.provider)?.kind) : node;
}

function withPolicy(node: FlowNode, kind: ProviderKind | undefined): FlowNode {
  return node.onUnknown === undefined && TO_PEOPLE.has(kind) ? { ...node, onUnknown: 'fail' } : node;
}

/** A flow that may be called says so by a trigger of its own, or by leading all of them to one node. */
function withCall(triggers: readonly Trigger[]): Trigger[] {
  const call = callTrigger(triggers);
  return call === undefined || triggers.includes(call) ? [...triggers] : [...triggers, call];
}

function checkCallTriggers(triggers: readonly TriggerDraft[], problems: FlowProblems): void {
  const [, ...others] = triggers.filter(({ trigger }) => trigger?.type === 'call');
  for (const { path = [] } of others) {
    problems.at(path, {
      message: 'The flow has a trigger of type call already.',
      cure: 'Keep one: whoever calls the flow by its name names no node.',
    });
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function checkIds(nodes: readonly NodeDraft[], problems: FlowProblems): void {
  const seen = new Map<string, number>();
  for (const [index, { id, line }] of nodes.entries()) {
    if (id === undefined) continue;
    const first = seen.get(id);
    if (first === undefined) seen.set(id, line);
    else {
      problems.at(['nodes', index, 'id'], {
        message: `The id ${JSON.stringify(id)} is already that of the node in line ${first}.`,
        cure: 'Give each node an id of its own.',
      });
    }
  }
}

function checkTargets(
  nodes: readonly NodeDraft[],
  triggers: readonly TriggerDraft[],
  problems: FlowProblems,
): void {
  const ids = idsOf(nodes);
  const known = new Set<string>([...ids, ...RESERVED_TARGETS]);
  for (const { target, path, mayContinue } of [...nodes, ...triggers].flatMap((draft) => draft.targets)) {
    if (known.has(target) || (mayContinue && target === CONTINUE)) continue;
    const near = nearest(target, [...known, ...(mayContinue ? [CONTINUE] : [])]);
    problems.at(path, {
      message: `There is no node ${JSON.stringify(target)}.`,
      cure:
        near === undefined
          ? `A target is ${mayContinue ? 'continue, ' : ''}respond, end, or one of: ${ids.join(', ')}.`
          : suggestion(target, [near]),
    });
  }
}

function checkGraph(
  nodes: readonly NodeDraft[],
  triggers: readonly TriggerDraft[],
  problems: FlowProblems,
): void {
  const ids = new Set(idsOf(nodes));
  const graph = nodes.flatMap(({ id, targets }) =>
    id === undefined ? [] : [{ id, targets: targets.map((edge) => edge.target).filter((to) => ids.has(to)) }],
  );
  const rounds = nodes.flatMap(({ id, targets }) => {
    const starts = targets.filter(({ isRound }) => isRound).map(({ target }) => target);
    return id === undefined || starts.length === 0 ? [] : [{ id, starts }];
  });
  const indexOf = (id: string) => nodes.findIndex((node) => node.id === id);
  for (const cycle of findCycles(withoutRoundEnds(withoutWaits(graph, nodes), rounds))) {
    problems.at(['nodes', indexOf(cycle[0] ?? '')], {
      message: `The nodes form a cycle: ${cycle.join(' → ')}.`,
      cure: 'Let one of them end the run, or publish an event that starts a new one. For a list, use `foreach`; a loop needs a `wait`.',
    });
  }
  // A part with faults may have led to any node.
  if (problems.count > 0) return;
  const starts = triggers.flatMap((trigger) => trigger.targets.map((edge) => edge.target));
  for (const id of findUnreachable(graph, starts)) {
    problems.at(['nodes', indexOf(id), 'id'], {
      message: `No trigger and no other node leads to the node ${JSON.stringify(id)}.`,
      cure: 'Name it in a `next`, a branch or a trigger, or remove it.',
    });
  }
}

/** A cycle in which time passes is a loop that its author meant, and the steps of a run are bounded. */
function withoutWaits(graph: readonly GraphNode[], nodes: readonly NodeDraft[]): GraphNode[] {
  const waits = new Set(nodes.filter(({ type }) => type === 'wait').map(({ id }) => id));
  return graph.map((node) => (waits.has(node.id) ? { ...node, targets: [] } : node));
}

function idsOf(nodes: readonly NodeDraft[]): string[] {
  return nodes.flatMap(({ id }) => (id === undefined ? [] : [id]));
}

async function digestOf({ text, scripts }: FlowSource): Promise<string> {
  const hasher = await createBLAKE3();
  const names = Object.keys(scripts).toSorted((a, b) => (a < b ? -1 : 1));
  // As JSON, so that no two sets of texts make the same bytes.
  return hasher
    .init()
    .update(JSON.stringify([text, names.map((name) => [name, scripts[name]])]))
    .digest();
}
