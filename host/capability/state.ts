import type { StateQuota, StateStore } from '../bus/state.ts';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { StateGrant } from '../grant/state-grant.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';

const MAX_KEY_CHARACTERS = 256;

/**
 * `state.get`, `state.set` and `state.delete`: small JSON values of one provider in one tenant. That a value is JSON within
 * bounds was checked in the cell; it stays text here. The quota is the grant's, checked where the value is stored.
 */
export class StateCapability implements Capability {
  readonly name = 'state';
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  async perform({
    tenant,
    source,
    grants: { state: grant },
    fn,
    args,
    reaches,
  }: CapabilityCall): Promise<CapabilityAnswer> {
    if (grant === null) throw denied(source);
    const [key = '', value = ''] = args;
    checkKey(key);
    reaches(key);
    const owner = { tenant, source };
    switch (fn) {
      case 'get':
        return ok((await this.#store.get(owner, key))?.json ?? 'null');
      case 'set': {
        checkValue(value);
        const outcome = await this.#store.set(owner, key, value, grant, { ttlMs: grant.ttlMs });
        // Nothing is demanded of the value before, so that a conflict would be the store's fault.
        if (outcome === 'conflict') throw new Error('the state was in conflict with itself');
        if (outcome !== 'stored') throw full(source, outcome, grant);
        return ok('null');
      }
      case 'delete':
        return ok(String((await this.#store.delete(owner, key)) === 'deleted'));
      default:
        throw new GtpackError(
          'effect_failed',
          `The functions get, set and delete of state were expected; ${quoted(fn)} came.`,
          { retryable: false },
        );
    }
  }

  async close(): Promise<void> {}
}

function ok(json: string): CapabilityAnswer {
  return { kind: 'ok', json };
}

function checkKey(key: string): void {
  if (key === '' || key.length > MAX_KEY_CHARACTERS)
    throw new GtpackError(
      'state_key_invalid',
      `A key of 1 to ${MAX_KEY_CHARACTERS} characters was expected; one of ${key.length} came.`,
    );
  // The store would put U+FFFD for it, and two keys would become one.
  if (!key.isWellFormed())
    throw new GtpackError(
      'state_key_invalid',
      'A key of Unicode text was expected; one with half of a surrogate pair came.',
    );
}

function checkValue(value: string): void {
  if (value === '') throw new GtpackError('state_value_invalid', 'JSON text was expected; nothing came.');
  if (!value.isWellFormed())
    throw new GtpackError(
      'state_value_invalid',
      'JSON text of whole characters was expected; half of a surrogate pair came. JSON writes it as an escape.',
    );
}

/** How the bundle's grant spells a bound, and what it says of it. */
const BOUNDS: Readonly<Record<keyof StateQuota, { readonly key: string; readonly of: string }>> = {
  maxKeys: { key: 'max_keys', of: 'keys' },
  maxBytes: { key: 'max_bytes', of: 'bytes of keys and values together' },
  maxValueBytes: { key: 'max_value', of: 'bytes of one value' },
};

function full(source: string, bound: keyof StateQuota, grant: StateGrant): GtpackError {
  const { key, of } = BOUNDS[bound];
  return new GtpackError(
    'state_full',
    `The state of ${source} would pass ${key}: at most ${grant[bound]} ${of} are granted.`,
    { cure: `Delete keys, or raise ${key} in its grant: state: { ${key}: … }` },
  );
}

function denied(source: string): GtpackError {
  return new GtpackError('capability_denied', `The provider ${source} may keep no state.`, {
    cure: `To allow it, add to the grants of ${source} in the bundle: state: {}`,
  });
}
