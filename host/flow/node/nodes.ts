import type { FlowNode } from '../flow.ts';
import { compileAsync } from './async.ts';
import { compileBranch } from './branch.ts';
import { compileComponent, compileEvent } from './event.ts';
import { compileHttp } from './http.ts';
import { compileHttpResponse } from './http-response.ts';
import type { CompiledNode, NodeTools } from './node.ts';
import { compilePublish } from './publish.ts';
import { compileFlowCall, compileForeach, compileParallel } from './rounds.ts';
import { compileScript } from './script.ts';
import { compileTransform } from './transform.ts';
import { compileWait } from './wait.ts';

/** Every node type. @throws GtpackError for a script, expression or template that does not compile */
export function compileNode(node: FlowNode, tools: NodeTools): CompiledNode {
  switch (node.type) {
    case 'script':
      return compileScript(node, tools);
    case 'branch':
      return compileBranch(node, tools);
    case 'transform':
      return compileTransform(node, tools);
    case 'http':
      return compileHttp(node, tools);
    case 'event':
      return compileEvent(node, tools);
    case 'http_response':
      return compileHttpResponse(node, tools);
    case 'publish':
      return compilePublish(node, tools);
    case 'wait':
      return compileWait(node, tools);
    case 'component':
      return compileComponent(node, tools);
    case 'flow':
      return compileFlowCall(node, tools);
    case 'async':
      return compileAsync(node, tools);
    case 'foreach':
      return compileForeach(node, tools);
    case 'parallel':
      return compileParallel(node, tools);
  }
}
