import type { Json } from '../event/json.ts';

/** JSON, or undefined for what no JSON is: CBOR has bytes besides. Its depth was bounded when it was decoded. */
export function asFieldJson(value: unknown): Json | undefined {
  return isFieldJson(value) ? value : undefined;
}

function isFieldJson(value: unknown): value is Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value instanceof Uint8Array) return false;
  return Object.values(value).every(isFieldJson);
}

/** Whether a mapping of a node's output says anything. */
export function hasMapping(output: { readonly mapping?: unknown } | null | undefined): boolean {
  const mapping = output?.mapping ?? null;
  return mapping !== null && !(typeof mapping === 'object' && Object.keys(mapping).length === 0);
}

export function isFieldMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}
