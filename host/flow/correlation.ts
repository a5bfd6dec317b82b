import type { ASTNode } from '@marcbachmann/cel-js';
import type { Json } from '../event/json.ts';

/** What a condition asks of one place in a value: that it equals something that is known without that value. */
export interface Correlation {
  readonly path: readonly string[];
  /** CEL. */
  readonly source: string;
}

const MAX_PATH = 16;

/**
 * One of the conditions that a condition is made of by `&&`, of the form `name.path == expression` or the other way round,
 * where the expression does not know the name. Where it is false, so is the whole.
 */
export function correlationOf(root: ASTNode, name: string): Correlation | undefined {
  const open: ASTNode[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.op === '&&') {
      const [left, right] = node.args;
      open.push(right, left);
      continue;
    }
    if (node.op !== '==') continue;
    const [left, right] = node.args;
    const found = equalTo(left, right, name) ?? equalTo(right, left, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

function equalTo(place: ASTNode, other: ASTNode, name: string): Correlation | undefined {
  const path = pathOf(place, name);
  if (path === undefined || path.length === 0 || path.length > MAX_PATH || mentions(other, name))
    return undefined;
  return { path, source: other.input.slice(other.start, other.end) };
}

/** Of `name.a.b`, the keys behind the name. */
function pathOf(node: ASTNode, name: string): string[] | undefined {
  const path: string[] = [];
  for (let at = node; ; ) {
    if (at.op === 'id') return at.args === name ? path.reverse() : undefined;
    if (at.op === '.') {
      path.push(at.args[1]);
      at = at.args[0];
    } else if (at.op === '[]' && at.args[1].op === 'value' && typeof at.args[1].args === 'string') {
      path.push(at.args[1].args);
      at = at.args[0];
    } else return undefined;
  }
}

function mentions(value: unknown, name: string): boolean {
  if (Array.isArray(value)) return value.some((inner) => mentions(inner, name));
  if (typeof value !== 'object' || value === null || !('op' in value && 'args' in value)) return false;
  return value.op === 'id' ? value.args === name : mentions(value.args, name);
}

/** A value as it is compared; undefined for those that are equal in other ways than their texts. */
export function keyText(value: Json | undefined): string | undefined {
  const isPlain = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isPlain ? JSON.stringify(value) : undefined;
}

/** What stands at a path in JSON. */
export function valueAt(value: unknown, path: readonly string[]): Json | undefined {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, key))
      return undefined;
    at = (at as Readonly<Record<string, unknown>>)[key];
  }
  return at as Json | undefined;
}
