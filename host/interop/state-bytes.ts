import { isUtf8 } from 'node:buffer';

/**
 * The store holds JSON, and the field keeps bytes. Text stands there as a string, so that people can read it; other bytes
 * as `{ "base64": … }`. What somebody else put there is read as its JSON text.
 */

export function stateFromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return JSON.stringify(isUtf8(buffer) ? buffer.toString() : { base64: buffer.toString('base64') });
}

/** @param json of a value that is there */
export function bytesFromState(json: string): Uint8Array {
  const value: unknown = JSON.parse(json);
  if (typeof value === 'string') return Buffer.from(value);
  const base64 = base64Of(value);
  return base64 === undefined ? Buffer.from(json) : Buffer.from(base64, 'base64');
}

function base64Of(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return undefined;
  const [key, text] = entry as [string, unknown];
  return key === 'base64' && typeof text === 'string' ? text : undefined;
}
