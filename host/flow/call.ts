import { CALL_SCHEDULE } from '../event/names.ts';
import type { FlowCall, FlowNode, RoundBody, Trigger } from './flow.ts';

/**
 * What starts a flow by its name. That an event does so stands beside the event, where the host alone writes, as a tick's
 * schedule does: the event's type alone starts nothing.
 */
export function callSchedule(flow: string): string {
  return `${CALL_SCHEDULE}${flow}`;
}

/** @returns the flow that an event calls; undefined where it is no call */
export function calledFlow(schedule: string | undefined): string | undefined {
  return schedule?.startsWith(CALL_SCHEDULE) ? schedule.slice(CALL_SCHEDULE.length) : undefined;
}

/**
 * Where a flow begins that is called by its name: its trigger of type `call`; without one, where all of its triggers
 * lead to. Undefined where they lead to several nodes.
 */
export function callTrigger(triggers: readonly Trigger[]): Trigger | undefined {
  const own = triggers.find(({ type }) => type === 'call');
  if (own !== undefined) return own;
  const [target, ...others] = new Set(triggers.map((trigger) => trigger.target));
  return target === undefined || others.length > 0 ? undefined : { type: 'call', target };
}

/** Every flow that a node calls; `isWaited` says whether it is part of the same run. */
export function callsOf(node: FlowNode): { readonly call: FlowCall; readonly isWaited: boolean }[] {
  switch (node.type) {
    case 'flow':
      return [{ call: node.config, isWaited: true }];
    case 'async':
      return [{ call: node.config, isWaited: false }];
    case 'foreach':
      return bodyCalls(node.config.body);
    case 'parallel':
      return node.config.branches.flatMap(({ body }) => bodyCalls(body));
    default:
      return [];
  }
}

function bodyCalls(body: RoundBody): { readonly call: FlowCall; readonly isWaited: boolean }[] {
  return body.kind === 'flow' ? [{ call: body.call, isWaited: true }] : [];
}
