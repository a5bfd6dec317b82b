import type { Problem } from '../errors.ts';
import type { Flow } from './flow.ts';
import type { FlowProblems } from './flow-problems.ts';
import type { NodeDraft } from './read-node.ts';

/**
 * Waits for events stand where nothing else of their run goes on: while another chain does, the run is not parked, and
 * no event could come to it.
 */
export function checkWaits(nodes: readonly NodeDraft[], problems: FlowProblems): void {
  const byId = new Map(
    nodes.flatMap((draft) => (draft.id === undefined ? [] : [[draft.id, draft] as const])),
  );
  const found = new Set<NodeDraft>();
  for (const draft of nodes) {
    if (!isShared(draft)) continue;
    const ends = new Set([draft.id, draft.node?.next]);
    const open = draft.targets.filter(({ isRound }) => isRound).map(({ target }) => target);
    const seen = new Set<string>();
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (seen.has(id) || ends.has(id)) continue;
      seen.add(id);
      const inner = byId.get(id);
      if (inner === undefined) continue;
      if (inner.node?.type === 'wait' && inner.node.config.event !== undefined) found.add(inner);
      open.push(...inner.targets.map(({ target }) => target));
    }
  }
  for (const { path, id } of found) {
    problems.at(path, {
      message: `The node ${id ?? ''} waits for an event inside of rounds that go at once.`,
      cure: 'Let them go one by one (`foreach` with a concurrency of 1), or start a flow for each of them by `async`.',
    });
  }
}

function isShared({ node }: NodeDraft): boolean {
  if (node?.type === 'foreach') return node.config.concurrency > 1;
  return node?.type === 'parallel' && node.config.branches.length > 1;
}

/** What keeps flows from being those of a tenant whose events are processed one after the other. */
export function orderedProblems(tenant: string, flows: readonly Flow[]): Problem[] {
  return flows.flatMap(({ file, nodes }) =>
    nodes.flatMap((node): Problem[] => {
      if (node.type !== 'wait' || node.config.event === undefined) return [];
      return [
        {
          code: 'flow_invalid',
          message: `The node ${node.id} waits for an event, and the tenant ${tenant} is \`ordered\`: no event comes to it before the run has ended.`,
          cure: 'Let the flow end, and another one begin with that event; or take `ordered` away.',
          ...{ file, line: node.line },
        },
      ];
    }),
  );
}
