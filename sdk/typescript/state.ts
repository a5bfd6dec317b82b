import { get, delete as remove, set } from 'gtpack:plugin/state@0.1.0';
import { ask, askFlag, toJson, whole, wrongAnswer } from './answer.ts';
import type { Json } from './types.ts';

/** A small store of JSON values, the provider's own in its tenant. A key has 1 to 256 characters. */
export const state = {
  /** The value; null where there is none. The type is the author's claim: nothing checks it. @throws ProviderProblem */
  get: <T extends Json = Json>(key: string): T | null => ask(() => get(keyOf(key))) as T | null,

  /**
   * Keeps a value in place of an earlier one.
   * @throws ProviderProblem `state_full`, `state_value_invalid`, `state_key_invalid`
   */
  set(key: string, value: Json): void {
    const text = toJson(value, 'state.set');
    if (ask(() => set(keyOf(key), text)) !== null) throw wrongAnswer('state.set');
  },

  /** Takes a key away. Returns whether there was such a one. @throws ProviderProblem */
  delete: (key: string): boolean => askFlag('state.delete', () => remove(keyOf(key))),
};

function keyOf(key: string): string {
  return whole(key, 'state_key_invalid', 'The key');
}
