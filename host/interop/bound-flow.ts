import type { PackFlow } from '../pack/pack.ts';

interface Node {
  readonly type: string;
  readonly config: { readonly provider?: string };
}

/**
 * The text of a converted flow as a bundle runs it.
 * @param names what the bundle calls the providers of the pack, by their ids there
 */
export function boundFlow({ source }: PackFlow, names: ReadonlyMap<string, string>): string {
  const { nodes, ...rest } = JSON.parse(source) as { readonly nodes: readonly Node[] };
  const bound = nodes.map((node) => {
    const name = node.type === 'event' ? names.get(node.config.provider ?? '') : undefined;
    return name === undefined ? node : { ...node, config: { ...node.config, provider: name } };
  });
  return JSON.stringify({ ...rest, nodes: bound }, null, 2);
}
