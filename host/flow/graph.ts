/** The edges of a flow's nodes, as far as its file could be read. */
export interface GraphNode {
  readonly id: string;
  /** Ids of nodes; reserved and unknown targets are left out. */
  readonly targets: readonly string[];
}

/** Each cycle once, as the ids along it with the first one repeated at its end. */
export function findCycles(nodes: readonly GraphNode[]): string[][] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const cycles: string[][] = [];
  const done = new Set<string>();
  for (const { id } of nodes) {
    if (done.has(id)) continue;
    // Depth first with a path of its own: a thousand nodes in a row must not nest a thousand calls.
    const path: { readonly id: string; next: number }[] = [{ id, next: 0 }];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = byId.get(top.id)?.targets[top.next];
      top.next += 1;
      if (target === undefined) {
        done.add(top.id);
        path.pop();
        continue;
      }
      const at = path.findIndex((step) => step.id === target);
      if (at !== -1) cycles.push([...path.slice(at).map((step) => step.id), target]);
      else if (!done.has(target)) path.push({ id: target, next: 0 });
    }
  }
  return cycles;
}

/** Ids of the nodes that no path from `starts` reaches. */
export function findUnreachable(nodes: readonly GraphNode[], starts: readonly string[]): string[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const reached = new Set<string>();
  const open = [...starts];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (reached.has(id)) continue;
    reached.add(id);
    open.push(...(byId.get(id)?.targets ?? []));
  }
  return nodes.map((node) => node.id).filter((id) => !reached.has(id));
}

/**
 * The graph without the edges by which rounds come back to the node that they are of: a round ends there.
 * @param rounds nodes whose rounds begin at `starts`
 */
export function withoutRoundEnds(
  nodes: readonly GraphNode[],
  rounds: readonly { readonly id: string; readonly starts: readonly string[] }[],
): GraphNode[] {
  const ends = new Map<string, Set<string>>();
  for (const { id, starts } of rounds) {
    const others = nodes.filter((node) => node.id !== id);
    const outside = new Set(findUnreachable(others, starts));
    for (const node of others) {
      if (outside.has(node.id)) continue;
      ends.set(node.id, (ends.get(node.id) ?? new Set()).add(id));
    }
  }
  return nodes.map(({ id, targets }) => ({
    id,
    targets: targets.filter((target) => ends.get(id)?.has(target) !== true),
  }));
}
