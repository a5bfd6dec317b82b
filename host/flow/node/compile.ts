import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { isExpression } from '../expression.ts';
import { compileTemplate, isTemplate, type Template } from '../template.ts';
import type { NodeStep, NodeTools } from './node.ts';

/**
 * A condition of `when` or `branch`: a missing key makes it false and is noted in the journal.
 * @throws GtpackError `expression_invalid`
 */
export function compileCondition(source: string, tools: NodeTools): (step: ConditionStep) => boolean {
  const expression = tools.compiler.compile(source, 'condition');
  if (!isExpression(expression)) {
    throw new GtpackError('expression_invalid', expression.message, { file: tools.flow.file });
  }
  return (step) => {
    try {
      return step.guard(() => expression.test(step.scope.cel));
    } catch (error) {
      if (!(error instanceof GtpackError) || error.code !== 'expression_key_missing') throw error;
      step.note(error.problems[0].message);
      return false;
    }
  };
}

type ConditionStep = Pick<NodeStep, 'guard' | 'note' | 'scope'>;

/** @throws GtpackError `template_invalid` */
export function compileValue(value: Json, tools: NodeTools): Template {
  const template = compileTemplate(value, tools.compiler);
  if (isTemplate(template)) return template;
  throw new GtpackError('template_invalid', template[0]?.message ?? 'The template is not valid.', {
    file: tools.flow.file,
  });
}
