import type { JsonObject } from '../event/json.ts';
import type { FieldRouting } from './field-manifest.ts';
import { type CelPlace, celExists, celText, celValue, type FieldPath } from './field-path.ts';
import { type CustomRoute, customRoutes, type RouteCondition } from './field-routing.ts';

/** Where a converted node leads, in this host's words. */
export type Leads =
  | { readonly kind: 'next'; readonly target: string }
  /** A node of type `branch` behind it decides. */
  | { readonly kind: 'branch'; readonly config: JsonObject }
  /** A clause. */
  | { readonly kind: 'fault'; readonly fault: string };

/** @param targetOf what the converted flow calls a node, by its id; undefined where there is none */
export function leadsOf(routing: FieldRouting, targetOf: (node: string) => string | undefined): Leads {
  switch (routing.kind) {
    case 'end':
      return { kind: 'next', target: 'end' };
    case 'reply':
      return { kind: 'next', target: 'respond' };
    case 'next':
      return byRoutes([{ when: null, to: routing.node }], targetOf);
    case 'branch':
      return byRoutes(
        [
          ...routing.onStatus.map(([status, to]): CustomRoute => ({ when: { kind: 'status', status }, to })),
          { when: null, to: routing.otherwise },
        ],
        targetOf,
      );
    case 'custom': {
      const routes = customRoutes(routing.routes);
      if (typeof routes === 'string') return { kind: 'fault', fault: routes };
      return byRoutes(routes, targetOf);
    }
    case 'unknown':
      return { kind: 'fault', fault: `has the routing ${routing.name}, which this host does not know` };
    default:
      return routing satisfies never;
  }
}

function byRoutes(routes: readonly CustomRoute[], targetOf: (node: string) => string | undefined): Leads {
  const conditions: JsonObject[] = [];
  for (const { when, to } of routes) {
    const target = to === null ? 'end' : targetOf(to);
    if (target === undefined)
      return { kind: 'fault', fault: `leads to ${JSON.stringify(to)}, which is no node of the flow` };
    if (when !== null) conditions.push({ expression: conditionOf(when), next: target });
    else if (conditions.length === 0) return { kind: 'next', target };
    else return { kind: 'branch', config: { conditions, default: target } };
  }
  return { kind: 'branch', config: { conditions, default: 'end' } };
}

const OUTPUT = 'input';
const PAYLOAD = 'event.payload';

/** The output's fields are named as they are, `entry` and `in` are the payload, `response` is what its metadata says. */
function conditionOf(when: RouteCondition): string {
  if (when.kind === 'status') return equals({ root: OUTPUT, path: ['status'] }, when.status, true);
  const { path, value, isEqual } = when;
  const [root, ...rest] = path;
  const holds =
    root === 'entry' || root === 'in'
      ? equals({ root: PAYLOAD, path: rest }, value, false)
      : root === 'response'
        ? responseEquals(rest, value)
        : equals({ root: OUTPUT, path }, value, false);
  return isEqual ? holds : `!(${holds})`;
}

/** A message lies in the payload, or in its `input`; its metadata is what somebody answered. */
function responseEquals(rest: FieldPath, value: string): string {
  const [within, bare] =
    rest.length === 1 && rest[0] === 'text'
      ? [['input', 'text'], ['text']]
      : [
          ['input', 'metadata', ...rest],
          ['metadata', ...rest],
        ];
  const inner: CelPlace = { root: PAYLOAD, path: within ?? [] };
  return `(${celExists(inner)}) ? (${equals(inner, value, false)}) : (${equals({ root: PAYLOAD, path: bare ?? [] }, value, false)})`;
}

/** A text is compared without regard to case, unless `isExact`; numbers, booleans and null by how they are written. */
function equals(place: CelPlace, value: string, isExact: boolean): string {
  const found = celValue(place);
  const text = isExact
    ? `${found} == ${celText(value)}`
    : `type(${found}) == string && ${found}.lowerAscii() == ${celText(lowerAscii(value))}`;
  const others = /^(?:true|false|null|-?\d{1,15}(?:\.\d{1,15})?)$/i.test(value)
    ? ` || ${found} == ${value.toLowerCase()}`
    : '';
  return `${celExists(place)} && (${text}${others})`;
}

function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
