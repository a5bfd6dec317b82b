import { eventToJson, normalizeDraft } from '../../event/normalize.ts';
import type { PublishNode } from '../flow.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** Publishes one event of the same tenant; the output is its `id` and `event_type`. */
export function compilePublish(node: PublishNode, tools: NodeTools): CompiledNode {
  const draft = compileValue({ ...node.config }, tools);
  const { bounds, flow, ids } = tools;
  return {
    run(step) {
      const rendered = step.guard(() => draft.render(step.scope.cel));
      const event = normalizeDraft(
        // The same for every delivery of the run, so that a repeat is a duplicate on the bus (promise B4).
        { id: step.key, ...(rendered as object) },
        {
          source: `flow:${flow.name}`,
          eventType: null,
          receivedAt: step.host.now(),
          cause: step.event.head,
          ids,
        },
        `The event of node ${node.id}`,
      );
      const { id, event_type } = event;
      const json = eventToJson(event, bounds);
      const events = [{ id, type: event_type, json }];
      const ask = { kind: 'broker', capability: 'bus', fn: 'publish', args: [], events } as const;
      return { effect: { ask, output: JSON.stringify({ id, event_type }) } };
    },
  };
}
