import { GtpackError } from '../../errors.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';

const BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxEventBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};
const MAX_NAMES = 500;

/**
 * The operations that a component's own description lists, in the ways that the field has for it.
 * @param json what `describe()` returned
 * @returns undefined where it lists none
 */
export function describedOperations(json: string): readonly string[] | undefined {
  const description = mapOf(parsed(json));
  const { operations, ops, capabilities } = description;
  for (const list of [operations, ops, mapOf(capabilities).operations]) {
    if (!Array.isArray(list)) continue;
    const names = list.slice(0, MAX_NAMES).flatMap(nameOf);
    if (names.length > 0) return names;
  }
  return undefined;
}

function nameOf(operation: unknown): string[] {
  if (typeof operation === 'string') return [operation];
  const { name, id } = mapOf(operation);
  if (typeof name === 'string') return [name];
  return typeof id === 'string' ? [id] : [];
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function parsed(json: string): unknown {
  try {
    return parseBoundedJson(json, BOUNDS, 'The description');
  } catch (error) {
    if (error instanceof GtpackError) return undefined;
    throw error;
  }
}
