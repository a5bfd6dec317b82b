import * as z from 'zod';
import { GtpackError } from '../errors.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { readYaml } from '../yaml.ts';
import type { FieldFlow, FieldNode, FieldRouting } from './field-manifest.ts';
import { asFieldJson, hasMapping, isFieldMap } from './field-node.ts';

/** A flow of the older model, which lies in a file of its own, as its author wrote it. */
export interface FlowFileEntry {
  readonly id: string;
  /** Where a run starts, as the manifest says. */
  readonly entry: string;
  /** Paths in the archive, the preferred one first. */
  readonly paths: readonly string[];
}

const BOUNDS = {
  maxBytes: 256 * 1024,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};

const documentShape = z.looseObject({
  start: z.string().nullish(),
  nodes: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).nullish(),
});

/** Of a node, what is not the name of its component. */
const NODE_KEYS: ReadonlySet<string> = new Set([
  'id',
  'routing',
  'telemetry',
  'output',
  'err_map',
  'in_map',
  'out_map',
]);

export function readFlowFile(
  { id, entry, paths }: FlowFileEntry,
  entries: ReadonlyMap<string, Uint8Array>,
): FieldFlow {
  const place = paths.find((path) => entries.has(path)) ?? paths[0] ?? id;
  const unread = (fault: string): FieldFlow => ({ id, place, entrypoints: [], nodes: [], fault });
  const content = entries.get(place);
  if (content === undefined) return unread(`Its file ${JSON.stringify(place)} is not in the archive.`);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    value = place.endsWith('.json')
      ? parseBoundedJson(text, BOUNDS, 'The flow')
      : readYaml(text, place).value;
  } catch (error) {
    return unread(error instanceof GtpackError ? error.problems[0].message : 'Its file is not UTF-8 text.');
  }
  const document = documentShape.safeParse(value).data;
  if (document === undefined) return unread('Its file does not have the shape of a flow.');
  const listed: [string, unknown][] = Array.isArray(document.nodes)
    ? document.nodes.map((node) => [isFieldMap(node) ? String(node.id ?? '') : '', node])
    : Object.entries(document.nodes ?? {});
  const nodes: FieldNode[] = [];
  for (const [name, raw] of listed) {
    const node = isFieldMap(raw) && name !== '' ? nodeOf(name, raw) : undefined;
    if (node === undefined)
      return unread(`Its node ${JSON.stringify(name.slice(0, 80))} does not name one component.`);
    nodes.push(node);
  }
  const isEntry = nodes.some((node) => node.id === entry);
  const start = isEntry ? entry : document.start;
  return { id, place, entrypoints: start === null || start === undefined ? [] : [['default', start]], nodes };
}

/** A node holds its component's name as a key, with the input below it. */
function nodeOf(id: string, raw: Readonly<Record<string, unknown>>): FieldNode | undefined {
  const [called, ...others] = Object.entries(raw).filter(([key]) => !NODE_KEYS.has(key));
  if (called === undefined || others.length > 0) return undefined;
  const [component, input] = called;
  return {
    id,
    component,
    packAlias: null,
    operation: null,
    input: asFieldJson(input),
    mapsOutput: [raw.output, raw.err_map, raw.in_map, raw.out_map].some((mapping) => hasMapping({ mapping })),
    routing: routingOf(raw.routing),
  };
}

function routingOf(routing: unknown): FieldRouting {
  const none = routing === undefined || routing === null || (Array.isArray(routing) && routing.length === 0);
  return none ? { kind: 'end' } : { kind: 'custom', routes: routing };
}
