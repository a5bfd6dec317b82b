import type { TransformNode } from '../flow.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

export function compileTransform(node: TransformNode, tools: NodeTools): CompiledNode {
  const value = compileValue(node.config.value, tools);
  return { run: (step) => ({ output: step.guard(() => JSON.stringify(value.render(step.scope.cel))) }) };
}
