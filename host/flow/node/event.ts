import type { Json } from '../../event/json.ts';
import { checkJsonBounds } from '../../event/json-bounds.ts';
import type { ComponentNode, EventNode } from '../flow.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** Calls an operation of one of the tenant's providers, in the same cell; its output is the node's. */
export function compileEvent(node: EventNode, tools: NodeTools): CompiledNode {
  const { provider, action, fields } = node.config;
  return compileOperation(node.id, { provider, operation: action, input: fields }, tools);
}

/** The same of a provider of the flow's own pack. */
export function compileComponent(node: ComponentNode, tools: NodeTools): CompiledNode {
  return compileOperation(node.id, node.config, tools);
}

function compileOperation(
  id: string,
  of: { readonly provider: string; readonly operation: string; readonly input: Json },
  tools: NodeTools,
): CompiledNode {
  const { provider, operation } = of;
  const template = compileValue(of.input, tools);
  return {
    run(step) {
      const input = step.guard(() => JSON.stringify(template.render(step.scope.cel)));
      checkJsonBounds(input, tools.bounds, `The input of node ${id}`);
      return {
        effect: { ask: { kind: 'provider', provider, operation, input }, output: (answer) => answer },
      };
    },
  };
}
