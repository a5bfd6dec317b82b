import type { Owner } from '../owner.ts';
import type { StateOutcome, StateQuota, StateStore } from '../state.ts';
import { request } from './request.ts';
import type { StoreConnection } from './store-connection.ts';
import { memoryBytes } from './tenant-queue.ts';

/** Only what is to cross to the thread: a caller's object may hold more. */
const copied = ({ tenant, source }: Owner): Owner => ({ tenant, source });

/** The main side of `state`. */
export class StoredState implements StateStore {
  readonly #store: StoreConnection;

  constructor(store: StoreConnection) {
    this.#store = store;
  }

  get(owner: Owner, key: string): Promise<string | null> {
    return request<'state_get'>(this.#store, { kind: 'state_get', owner: copied(owner), key }, 0);
  }

  set(
    owner: Owner,
    key: string,
    json: string,
    { maxKeys, maxBytes, maxValueBytes }: StateQuota,
  ): Promise<StateOutcome> {
    const quota = { maxKeys, maxBytes, maxValueBytes };
    return request<'state_set'>(
      this.#store,
      { kind: 'state_set', owner: copied(owner), key, json, quota },
      memoryBytes(json),
    );
  }

  delete(owner: Owner, key: string): Promise<boolean> {
    return request<'state_delete'>(this.#store, { kind: 'state_delete', owner: copied(owner), key }, 0);
  }
}
