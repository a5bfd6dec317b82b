import type { CompiledFlow } from './compiled-flow.ts';
import type { Wall } from './run-effects.ts';
import type { RunEvent, RunScope } from './scope.ts';

/** A chain of nodes: the run's own, a sub-flow's, or a round of a node that has several. */
export interface Frame {
  /** The same on every delivery: the places of the steps that lead to it. Empty for the run's own. */
  readonly id: string;
  readonly flow: CompiledFlow;
  readonly event: RunEvent;
  readonly scope: RunScope;
  /** The first node's id, or a reserved target; undefined where there is none. */
  readonly start: string | undefined;
  /** Nodes that it ends before: the one whose round it is, and the one that follows that. */
  readonly ends: ReadonlySet<string>;
  /** Of the node that it is inside of. */
  readonly wall: Wall | undefined;
  /** Other chains of the run may go on beside it. */
  readonly isShared: boolean;
  /** How many flows it is inside of. */
  readonly depth: number;
}

export const NO_ENDS: ReadonlySet<string> = new Set();

/** @returns the node that a target of the frame's leads to; undefined at the frame's end */
export function targetIn({ flow: { nodes }, ends }: Frame, target: string | undefined): string | undefined {
  if (target === undefined || ends.has(target)) return undefined;
  if (nodes.has(target)) return target;
  return target === 'respond' || target === 'end' ? undefined : target;
}
