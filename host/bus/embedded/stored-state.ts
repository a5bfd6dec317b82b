import type { Owner } from '../owner.ts';
import type {
  DeleteOutcome,
  StateOutcome,
  StateQuota,
  StateStore,
  StoredValue,
  ValueLife,
  WriteCondition,
} from '../state.ts';
import { request } from './request.ts';
import type { StoreConnection } from './store-connection.ts';
import { memoryBytes } from './tenant-queue.ts';
import type { OperationOf } from './wire.ts';

/** Only what is to cross to the thread: a caller's object may hold more. */
const copied = ({ tenant, source }: Owner): Owner => ({ tenant, source });

/** The main side of `state`. */
export class StoredState implements StateStore {
  readonly #store: StoreConnection;

  constructor(store: StoreConnection) {
    this.#store = store;
  }

  get(owner: Owner, key: string): Promise<StoredValue | null> {
    return request<'state_get'>(this.#store, { kind: 'state_get', owner: copied(owner), key }, 0);
  }

  async set(
    owner: Owner,
    key: string,
    json: string,
    { maxKeys, maxBytes, maxValueBytes }: StateQuota,
    { ifRevision, ttlMs = null }: WriteCondition & ValueLife = {},
  ): Promise<StateOutcome> {
    const quota = { maxKeys, maxBytes, maxValueBytes };
    const operation: OperationOf<'state_set'> = {
      ...{ kind: 'state_set', owner: copied(owner), key, json, quota, ifRevision },
      ttlMs: ttlMs === null ? null : Math.ceil(ttlMs),
    };
    for (;;) {
      const outcome = await request<'state_set'>(this.#store, operation, memoryBytes(json));
      // Each turn took some that had expired away, so it ends.
      if (outcome !== 'again') return outcome;
    }
  }

  delete(owner: Owner, key: string, { ifRevision }: WriteCondition = {}): Promise<DeleteOutcome> {
    return request<'state_delete'>(
      this.#store,
      { kind: 'state_delete', owner: copied(owner), key, ifRevision },
      0,
    );
  }
}
