import { conditionsAndTemplates } from './check-expressions.ts';
import { type Expression, ExpressionCompiler, type ExpressionNames, isExpression } from './expression.ts';
import { ARRIVED, type FlowNode, type HttpNode, outputNames, outputNamesOf } from './flow.ts';
import { compileTemplate, isTemplate } from './template.ts';

/**
 * The one rule of which statuses fail an `http` node that names none: any but a success, unless its flow deals with the
 * status itself. It does where the node has no `on_error`, and the node that its `next` leads to reads the status: an
 * expression there (its `when`, a condition, a template) has `http_response.status`, `input.status`, `steps.ID.status`
 * or that of the node's `output`. What a script reads is not looked at.
 *
 * @param nodes of a flow without problems
 * @returns the same nodes, those `http` nodes marked
 */
export function withStatusReaders(nodes: readonly FlowNode[]): FlowNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const names = { nodes: [...byId.keys()], outputs: outputNamesOf(nodes) };
  const compiler = new ExpressionCompiler(names);
  return nodes.map((node) => {
    if (node.type !== 'http' || node.config.expect !== undefined || node.onError !== undefined) return node;
    const reader = node.next === undefined ? undefined : byId.get(node.next);
    if (reader === undefined || !readsStatus(reader, node, compiler, names)) return node;
    return { ...node, config: { ...node.config, statusIsRead: true } };
  });
}

function readsStatus(
  reader: FlowNode,
  of: HttpNode,
  compiler: ExpressionCompiler,
  names: ExpressionNames,
): boolean {
  const paths = [['input'], ['steps', of.id], ...outputNames(of).map((name) => [name])];
  return expressionsOf(reader, compiler, names).some((expression) =>
    paths.some((path) => expression.reads([...path, 'status'])),
  );
}

function expressionsOf(node: FlowNode, compiler: ExpressionCompiler, names: ExpressionNames): Expression[] {
  const found: Expression[] = [];
  const condition = (source: string, by = compiler): void => {
    const compiled = by.compile(source, 'condition');
    if (isExpression(compiled)) found.push(compiled);
  };
  if (node.when !== undefined) condition(node.when);
  conditionsAndTemplates(node, [], {
    condition: (source) => condition(source),
    template: (value) => {
      const compiled = compileTemplate(value, compiler);
      if (isTemplate(compiled)) found.push(...compiled.expressions);
    },
    onArrival: (source) =>
      condition(source, new ExpressionCompiler({ ...names, outputs: [...names.outputs, ARRIVED] })),
  });
  return found;
}
