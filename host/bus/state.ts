import type { Owner } from './owner.ts';

/**
 * Small values that providers keep. What `set` and `delete` resolved is durable (B1), and a quota holds whatever calls
 * come at once: it is checked where the value is stored, in one step with storing it. A value that has expired is not
 * there: it is not read, not counted, and its key is free.
 */
export interface StateStore {
  /** @throws GtpackError `bus_unavailable` */
  get(owner: Owner, key: string): Promise<StoredValue | null>;

  /**
   * Stores a value in place of the one before, or says what keeps it out. A value that takes no more than the one before
   * always passes the bounds on keys and bytes: a quota may have been lowered under what is there.
   * @param json JSON text of well-formed Unicode; never parsed here
   * @throws GtpackError `bus_unavailable`, `bus_disk_full`
   */
  set(
    owner: Owner,
    key: string,
    json: string,
    quota: StateQuota,
    condition?: WriteCondition & ValueLife,
  ): Promise<StateOutcome>;

  /** @throws GtpackError `bus_unavailable` */
  delete(owner: Owner, key: string, condition?: WriteCondition): Promise<DeleteOutcome>;
}

export interface StoredValue {
  /** JSON text. */
  readonly json: string;
  /** Another one each time the key is set, and never given again to it. */
  readonly revision: number;
}

export interface WriteCondition {
  /** The revision that the value must have; null where there must be none. Without it, whatever is there is replaced. */
  readonly ifRevision?: number | null;
}

export interface ValueLife {
  /** The value is gone so long after it was set; null or none: it stays. */
  readonly ttlMs?: number | null;
}

/** What one owner may keep. */
export interface StateQuota {
  readonly maxKeys: number;
  /** Keys and values together, as UTF-8. */
  readonly maxBytes: number;
  /** One value, as UTF-8. */
  readonly maxValueBytes: number;
}

/** `conflict`: the value has another revision than the one demanded. Else the bound that would be passed. */
export type StateOutcome = 'stored' | 'conflict' | keyof StateQuota;

export type DeleteOutcome = 'deleted' | 'absent' | 'conflict';
