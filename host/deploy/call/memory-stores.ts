import type { Bus, EventMessage } from '../../bus/bus.ts';
import type {
  DeleteOutcome,
  StateOutcome,
  StateQuota,
  StateStore,
  StoredValue,
  WriteCondition,
} from '../../bus/state.ts';
import type { ListedTimer, TimerPage, TimerStore } from '../../bus/timers.ts';

/** Stores that live as long as one call, with the quotas of the real ones. */

/** State of the one provider that is called, for the one call: nothing expires, and no call comes in between another. */
export class MemoryState implements StateStore {
  readonly #values: Map<string, string>;
  readonly #revisions = new Map<string, number>();
  #writes = 0;

  /** @param values JSON texts by key */
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = new Map(values);
  }

  /** As they are now. */
  get values(): ReadonlyMap<string, string> {
    return this.#values;
  }

  async get(_owner: unknown, key: string): Promise<StoredValue | null> {
    const json = this.#values.get(key);
    return json === undefined ? null : { json, revision: this.#revisions.get(key) ?? 0 };
  }

  async set(
    _owner: unknown,
    key: string,
    json: string,
    quota: StateQuota,
    condition: WriteCondition = {},
  ): Promise<StateOutcome> {
    if (this.#isConflict(key, condition)) return 'conflict';
    const before = this.#values.get(key);
    const size = Buffer.byteLength(json);
    if (size > quota.maxValueBytes) return 'maxValueBytes';
    if (before === undefined && this.#values.size >= quota.maxKeys) return 'maxKeys';
    const others = [...this.#values].filter(([name]) => name !== key);
    const held = others.reduce((sum, [name, value]) => sum + bytesOf(name, value), 0);
    if (held + bytesOf(key, json) > quota.maxBytes) return 'maxBytes';
    this.#values.set(key, json);
    this.#writes += 1;
    this.#revisions.set(key, this.#writes);
    return 'stored';
  }

  async delete(_owner: unknown, key: string, condition: WriteCondition = {}): Promise<DeleteOutcome> {
    if (this.#isConflict(key, condition)) return 'conflict';
    this.#revisions.delete(key);
    return this.#values.delete(key) ? 'deleted' : 'absent';
  }

  #isConflict(key: string, { ifRevision }: WriteCondition): boolean {
    const revision = this.#values.has(key) ? (this.#revisions.get(key) ?? 0) : null;
    return ifRevision !== undefined && ifRevision !== revision;
  }
}

function bytesOf(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value);
}

/** Timers that are set and never come: nobody lives to see them. */
export class MemoryTimers implements Pick<TimerStore, 'set' | 'clear' | 'list'> {
  readonly #timers = new Map<string, ListedTimer>();

  async set(_owner: unknown, timer: ListedTimer, maxTimers: number): Promise<boolean> {
    if (!this.#timers.has(timer.id) && this.#timers.size >= maxTimers) return false;
    this.#timers.set(timer.id, timer);
    return true;
  }

  async clear(_owner: unknown, id: string): Promise<boolean> {
    return this.#timers.delete(id);
  }

  async list(_owner: unknown, after: string | null, limit: number): Promise<TimerPage> {
    const all = [...this.#timers.values()];
    const start = after === null ? 0 : all.findIndex(({ id }) => id === after) + 1;
    const timers = all.slice(start, start + limit);
    return { timers, next: start + limit < all.length ? (timers.at(-1)?.id ?? null) : null };
  }
}

/** Takes events and shows them to nobody. */
export const NO_BUS: Pick<Bus, 'publish'> = {
  publish: async (_tenant, messages: readonly EventMessage[]) =>
    messages.map(({ id }) => ({ id, duplicate: false })),
};
