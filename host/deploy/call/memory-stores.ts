import type { Bus, EventMessage } from '../../bus/bus.ts';
import type {
  DeleteOutcome,
  StateOutcome,
  StateQuota,
  StateStore,
  StoredValue,
  WriteCondition,
} from '../../bus/state.ts';
import type { TimerStore } from '../../bus/timers.ts';

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
export class MemoryTimers implements Pick<TimerStore, 'set' | 'clear'> {
  readonly #ids = new Set<string>();

  async set(_owner: unknown, { id }: { readonly id: string }, maxTimers: number): Promise<boolean> {
    if (!this.#ids.has(id) && this.#ids.size >= maxTimers) return false;
    this.#ids.add(id);
    return true;
  }

  async clear(_owner: unknown, id: string): Promise<boolean> {
    return this.#ids.delete(id);
  }
}

/** Takes events and shows them to nobody. */
export const NO_BUS: Pick<Bus, 'publish'> = {
  publish: async (_tenant, messages: readonly EventMessage[]) =>
    messages.map(({ id }) => ({ id, duplicate: false })),
};
