import { GtpackError } from '../../errors.ts';
import { correlationOf, keyText } from '../correlation.ts';
import { ExpressionCompiler, isExpression } from '../expression.ts';
import { ARRIVED, type AwaitedEvent, outputNamesOf } from '../flow.ts';
import type { CompiledNode, NodeStep, NodeTools } from './node.ts';

/** Waits for an event, which is its output. */
export function compileWaitForEvent(
  { pattern, when, timeoutMs }: AwaitedEvent,
  tools: NodeTools,
): CompiledNode {
  if (when === undefined) {
    const awaits = { pattern, timeoutMs, key: () => undefined, wants: () => true };
    return { run: () => ({ awaits }) };
  }
  const { nodes, file } = tools.flow;
  const ids = nodes.map(({ id }) => id);
  const compiler = new ExpressionCompiler({ nodes: ids, outputs: [...outputNamesOf(nodes), ARRIVED] });
  const condition = compiler.compile(when, 'condition');
  if (!isExpression(condition)) throw new GtpackError('expression_invalid', condition.message, { file });
  const correlation = correlationOf(condition.tree, ARRIVED);
  const known = correlation && tools.compiler.compile(correlation.source, 'value');
  return {
    run: (step) => ({
      awaits: {
        pattern,
        timeoutMs,
        key: () => {
          if (correlation === undefined || known === undefined || !isExpression(known)) return undefined;
          const value = textOf(() => step.guard(() => keyText(known.evaluate(step.scope.cel))));
          return value === undefined ? undefined : { path: correlation.path, value };
        },
        wants: (arrived) => {
          const scope = step.scope.fork({ [ARRIVED]: arrived.json });
          return isTrue(step, () => step.guard(() => condition.test(scope.cel)));
        },
      },
    }),
  };
}

/** What has no value narrows nothing down. */
function textOf(evaluate: () => string | undefined): string | undefined {
  try {
    return evaluate();
  } catch (error) {
    if (error instanceof GtpackError) return undefined;
    throw error;
  }
}

/** An event of another shape than the flow expects is none of its, and may not end a run that waits. */
function isTrue(step: NodeStep, test: () => boolean): boolean {
  try {
    return test();
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    if (error.code !== 'expression_key_missing') {
      step.log('warn', `The event that came is not taken: ${error.problems[0].message}`);
    }
    return false;
  }
}
