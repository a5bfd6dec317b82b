import { conditionsAndTemplates } from './check-expressions.ts';
import { type Expression, ExpressionCompiler, isExpression } from './expression.ts';
import { type FlowNode, type HttpNode, outputNames, outputNamesOf } from './flow.ts';
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
  const compiler = new ExpressionCompiler({ nodes: [...byId.keys()], outputs: outputNamesOf(nodes) });
  return nodes.map((node) => {
    if (node.type !== 'http' || node.config.expect !== undefined || node.onError !== undefined) return node;
    const reader = node.next === undefined ? undefined : byId.get(node.next);
    if (reader === undefined || !readsStatus(reader, node, compiler)) return node;
    return { ...node, config: { ...node.config, statusIsRead: true } };
  });
}

function readsStatus(reader: FlowNode, of: HttpNode, compiler: ExpressionCompiler): boolean {
  const paths = [['input'], ['steps', of.id], ...outputNames(of).map((name) => [name])];
  return expressionsOf(reader, compiler).some((expression) =>
    paths.some((path) => expression.reads([...path, 'status'])),
  );
}

function expressionsOf(node: FlowNode, compiler: ExpressionCompiler): Expression[] {
  const found: Expression[] = [];
  const condition = (source: string): void => {
    const compiled = compiler.compile(source, 'condition');
    if (isExpression(compiled)) found.push(compiled);
  };
  if (node.when !== undefined) condition(node.when);
  conditionsAndTemplates(node, [], condition, (value) => {
    const compiled = compileTemplate(value, compiler);
    if (isTemplate(compiled)) found.push(...compiled.expressions);
  });
  return found;
}
