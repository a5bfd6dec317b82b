import type { Owner } from './owner.ts';

/**
 * Small values that providers keep. What `set` and `delete` resolved is durable (B1), and a quota holds whatever calls
 * come at once: it is checked where the value is stored, in one step with storing it.
 */
export interface StateStore {
  /** The value as JSON text, or null. @throws GtpackError `bus_unavailable` */
  get(owner: Owner, key: string): Promise<string | null>;

  /**
   * Stores a value in place of the one before, or says which bound of the quota keeps it out. A value that takes no more
   * than the one before always passes those on keys and bytes: a quota may have been lowered under what is there.
   * @param json JSON text of well-formed Unicode; never parsed here
   * @throws GtpackError `bus_unavailable`
   */
  set(owner: Owner, key: string, json: string, quota: StateQuota): Promise<StateOutcome>;

  /** @returns whether there was such a key @throws GtpackError `bus_unavailable` */
  delete(owner: Owner, key: string): Promise<boolean>;
}

/** What one owner may keep. */
export interface StateQuota {
  readonly maxKeys: number;
  /** Keys and values together, as UTF-8. */
  readonly maxBytes: number;
  /** One value, as UTF-8. */
  readonly maxValueBytes: number;
}

/** `stored`, or the bound that would be passed. */
export type StateOutcome = 'stored' | keyof StateQuota;
