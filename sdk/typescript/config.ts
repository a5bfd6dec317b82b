import { get } from 'gtpack:plugin/config@0.1.0';
import type { Json } from './types.ts';

let cached: { readonly value: Json } | undefined;

/**
 * The provider's `config` of the bundle; `null` without one. The type is the author's claim: nothing checks it.
 * It never changes in an instance's life, so it crosses once.
 */
export function config<T = Json>(): T {
  cached ??= { value: JSON.parse(get()) };
  return cached.value as T;
}
