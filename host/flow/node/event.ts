import { checkJsonBounds } from '../../event/json-bounds.ts';
import type { EventNode } from '../flow.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** Calls an operation of one of the tenant's providers, in the same cell; its output is the node's. */
export function compileEvent(node: EventNode, tools: NodeTools): CompiledNode {
  const { provider, action, fields } = node.config;
  const template = compileValue(fields, tools);
  return {
    run(step) {
      const input = step.guard(() => JSON.stringify(template.render(step.scope.cel)));
      checkJsonBounds(input, tools.bounds, `The input of node ${node.id}`);
      return {
        effect: { ask: { kind: 'provider', provider, operation: action, input }, output: (answer) => answer },
      };
    },
  };
}
