import type { Json } from '../event/json.ts';
import { type Path, suggestion } from '../yaml.ts';
import type { ExpressionFault } from './cel-rules.ts';
import { ExpressionCompiler, isExpression, NO_NAMES } from './expression.ts';
import { ARRIVED, type FlowNode, outputNamesOf, type RoundBody } from './flow.ts';
import type { FlowProblems } from './flow-problems.ts';
import type { NodeDraft } from './read-node.ts';
import type { TriggerDraft } from './read-trigger.ts';
import { compileTemplate, isTemplate } from './template.ts';

/** Compiles every expression and template of a flow, as the cell will. */
export function checkExpressions(
  nodes: readonly NodeDraft[],
  triggers: readonly TriggerDraft[],
  problems: FlowProblems,
): void {
  const ids = nodes.flatMap(({ id }) => (id === undefined ? [] : [id]));
  const outputs = outputNamesOf(nodes);
  const compiler = new ExpressionCompiler({ nodes: ids, outputs });
  const onEvent = new ExpressionCompiler(NO_NAMES);
  const onArrival = (source: string, path: Path): void =>
    condition(source, path, new ExpressionCompiler({ nodes: ids, outputs: [...outputs, ARRIVED] }));
  const condition = (source: string, path: Path, by = compiler): void => {
    const compiled = by.compile(source, 'condition');
    if (isExpression(compiled)) return;
    const braced = source.trimStart().startsWith('{{');
    const cure = 'A condition is CEL as it is; leave out the {{ }}.';
    problems.inText(path, source, braced ? { ...compiled, cure } : cured(compiled), 'expression_invalid');
  };
  const template = (value: Json, path: Path): void => {
    const compiled = compileTemplate(value, compiler);
    if (isTemplate(compiled)) return;
    for (const { path: inner, ...fault } of compiled) {
      const text = valueAt(value, inner);
      const place = [...path, ...inner];
      if (typeof text === 'string') problems.inText(place, text, cured(fault), 'template_invalid');
      else problems.at(place, fault, 'template_invalid');
    }
  };
  for (const { when, path } of triggers) {
    // No node has run before a trigger.
    if (when !== undefined && path !== undefined) condition(when, [...path, 'when'], onEvent);
  }
  for (const { when, path, node } of nodes) {
    if (when !== undefined) condition(when, [...path, 'when']);
    if (node === undefined) continue;
    conditionsAndTemplates(node, [...path, 'config'], { condition, template, onArrival });
  }
}

function cured({ unknown, ...fault }: ExpressionFault): ExpressionFault {
  return unknown === undefined ? fault : { ...fault, cure: suggestion(unknown.word, unknown.known) };
}

interface Visit {
  readonly condition: (source: string, path: Path) => void;
  readonly template: (value: Json, path: Path) => void;
  /** A condition in whose scope an event that came is. */
  readonly onArrival: (source: string, path: Path) => void;
}

/** Goes through what the config of a node has of them. @param path of the config */
export function conditionsAndTemplates(
  node: FlowNode,
  path: Path,
  { condition, template, onArrival }: Visit,
): void {
  switch (node.type) {
    case 'script':
      return;
    case 'wait':
      if (node.config.until !== undefined) template(node.config.until, [...path, 'until']);
      if (node.config.event?.when !== undefined) onArrival(node.config.event.when, [...path, 'when']);
      return;
    case 'branch':
      for (const [index, { expression }] of node.config.conditions.entries()) {
        condition(expression, [...path, 'conditions', index, 'expression']);
      }
      return;
    case 'http': {
      const { expect: _, timeoutMs: __, statusIsRead: ___, ...written } = node.config;
      template(written, path);
      return;
    }
    case 'event':
      template(node.config.fields, path);
      return;
    case 'component':
      template(node.config.input, [...path, 'input']);
      return;
    case 'foreach':
      template(node.config.items, [...path, 'items']);
      checkInput(node.config.body, path, template);
      return;
    case 'parallel':
      for (const { name, body } of node.config.branches) {
        checkInput(body, [...path, 'branches', name], template);
      }
      return;
    case 'flow':
    case 'async':
      checkInput({ kind: 'flow', call: node.config }, path, template);
      return;
    case 'transform':
    case 'http_response':
    case 'publish':
      template({ ...node.config }, path);
      return;
  }
}

function checkInput(body: RoundBody, path: Path, template: (value: Json, path: Path) => void): void {
  if (body.kind === 'flow' && body.call.input !== undefined) template(body.call.input, [...path, 'input']);
}

function valueAt(value: Json, path: readonly (string | number)[]): Json | undefined {
  let at: Json | undefined = value;
  for (const part of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Readonly<Record<string | number, Json>>)[part];
  }
  return at;
}
