import * as z from 'zod';
import type { FieldRouting } from './field-manifest.ts';
import { shown } from './field-manifest.ts';
import { isFieldMap } from './field-node.ts';

type NodeReference = number | string;

const node = z.union([z.int().min(0), z.string().min(1)]);
const nextShape = z.looseObject({ node_id: node });
const branchShape = z.looseObject({
  on_status: z.record(z.string(), node).nullish(),
  default: node.nullish(),
});

/**
 * Where a node leads: `"End"`, `"Reply"`, or one of `{ "Next": … }`, `{ "Branch": … }`, `{ "Custom": … }`; newer encoders
 * write the names in lower case.
 * @param nodeOf the id of a node that is named by index or id
 */
export function fieldRouting(routing: unknown, nodeOf: (reference: NodeReference) => string): FieldRouting {
  if (routing === undefined || routing === null) return { kind: 'end' };
  const [name, content] = typeof routing === 'string' ? [routing, undefined] : onlyEntry(routing);
  switch (name.toLowerCase()) {
    case 'end':
      return { kind: 'end' };
    case 'reply':
      return { kind: 'reply' };
    case 'next': {
      const next = nextShape.safeParse(content).data;
      if (next !== undefined) return { kind: 'next', node: nodeOf(next.node_id) };
      break;
    }
    case 'branch': {
      const branch = branchShape.safeParse(content).data;
      if (branch === undefined) break;
      return {
        kind: 'branch',
        onStatus: Object.entries(branch.on_status ?? {}).map(([status, to]) => [status, nodeOf(to)]),
        otherwise: branch.default === null || branch.default === undefined ? null : nodeOf(branch.default),
      };
    }
    case 'custom':
      return { kind: 'custom', routes: content };
    default:
  }
  return { kind: 'unknown', name: shown(name, 80) };
}

function onlyEntry(value: unknown): readonly [name: string, content: unknown] {
  const [entry, ...others] = isFieldMap(value) ? Object.entries(value) : [];
  return entry === undefined || others.length > 0 ? [`a ${typeof value}`, undefined] : entry;
}

/** One route of `Custom`: whether to take it, and where it leads. */
export interface CustomRoute {
  readonly when: RouteCondition | null;
  /** A node, or null for the end; `reply` ends the run as well. */
  readonly to: string | null;
}

export type RouteCondition =
  /** Of the node's output. */
  | { readonly kind: 'status'; readonly status: string }
  | {
      readonly kind: 'compare';
      readonly path: readonly string[];
      readonly value: string;
      readonly isEqual: boolean;
    };

const MAX_ROUTES = 100;

/**
 * The routes that a flow's author wrote, in their order: `next` or `to`, `out`, `reply`, each with a `status` or a
 * `condition` of the form `path == "value"`.
 * @returns the routes, or what of them cannot be read
 */
export function customRoutes(routes: unknown): readonly CustomRoute[] | string {
  if (typeof routes === 'string')
    return routes === 'out' || routes === 'reply' ? [{ when: null, to: null }] : cannot(routes);
  if (!Array.isArray(routes) || routes.length === 0) return cannot(routes);
  if (routes.length > MAX_ROUTES) return `has ${routes.length} routes; at most ${MAX_ROUTES} are read`;
  const read: CustomRoute[] = [];
  for (const route of routes as unknown[]) {
    const one = customRoute(route);
    if (typeof one === 'string') return one;
    read.push(one);
  }
  // Where statuses decide, one without is for all the others, wherever it stands; else the first that holds is taken.
  const byStatus = read.some(({ when }) => when?.kind === 'status');
  return byStatus ? read.toSorted((a, b) => Number(a.when === null) - Number(b.when === null)) : read;
}

const KNOWN_KEYS: ReadonlySet<string> = new Set(['next', 'to', 'out', 'reply', 'status', 'condition']);

function customRoute(route: unknown): CustomRoute | string {
  if (!isFieldMap(route)) return cannot(route);
  const given = Object.entries(route).filter(([, value]) => value !== null);
  if (given.some(([key]) => !KNOWN_KEYS.has(key))) return cannot(route);
  const { next, to = next, out, reply, status, condition } = Object.fromEntries(given);
  const ends = out === true || reply === true || to === 'out';
  if (!ends && (typeof to !== 'string' || to === '')) return cannot(route);
  const target = ends ? null : String(to);
  if (status !== undefined && condition !== undefined) return cannot(route);
  if (typeof status === 'string') return { when: { kind: 'status', status }, to: target };
  if (typeof condition === 'string') {
    const when = comparison(condition);
    return when === undefined ? cannot(route) : { when, to: target };
  }
  return status === undefined && condition === undefined ? { when: null, to: target } : cannot(route);
}

/** `path == "value"` or `path != "value"` */
function comparison(condition: string): RouteCondition | undefined {
  const [, path, operator, double, single, bare] =
    /^\s*([A-Za-z0-9_$-]+(?:\.[A-Za-z0-9_$-]+)*)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_.-]+))\s*$/.exec(
      condition,
    ) ?? [];
  const value = double ?? single ?? bare;
  if (path === undefined || value === undefined) return undefined;
  return { kind: 'compare', path: path.split('.'), value, isEqual: operator === '==' };
}

function cannot(route: unknown): string {
  return `has the route ${shown(JSON.stringify(route) ?? 'nothing', 120)}, which this host does not know`;
}
