import type { Json } from '../../event/json.ts';
import { CALL_EVENT } from '../../event/names.ts';
import { eventToJson, normalizeDraft } from '../../event/normalize.ts';
import { callSchedule } from '../call.ts';
import type { AsyncNode } from '../flow.ts';
import type { CompiledNode, NodeTools } from './node.ts';
import { compileInput } from './rounds.ts';

/**
 * Starts another flow of the tenant as a run of its own, and does not wait for it: by an event that is stored together
 * with the node's outcome, and whose id is the step's, so that it is started once. The output is that id and the flow.
 */
export function compileAsync(node: AsyncNode, tools: NodeTools): CompiledNode {
  const input = compileInput(node.id, node.config, tools);
  const { bounds, flow, ids } = tools;
  const called = node.config.flow;
  return {
    run(step) {
      const payload = JSON.parse(input(step, step.scope)) as Json;
      const context = {
        source: `flow:${flow.name}`,
        eventType: CALL_EVENT,
        schedule: callSchedule(called),
        receivedAt: step.host.now(),
        cause: step.event.head,
        ids,
      };
      const event = normalizeDraft({ id: step.key, payload }, context, `The event of node ${node.id}`);
      const { id, event_type: type } = event;
      const events = [{ id, type, json: eventToJson(event, bounds) }];
      const ask = { kind: 'broker', capability: 'bus', fn: 'call', args: [called], events } as const;
      return { effect: { ask, output: JSON.stringify({ id, flow: called }) } };
    },
  };
}
