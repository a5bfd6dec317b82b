import type { Bus, EventMessage } from '../../bus/bus.ts';
import type { StateOutcome, StateQuota, StateStore } from '../../bus/state.ts';
import type { TimerStore } from '../../bus/timers.ts';

/** Stores that live as long as one call, with the quotas of the real ones. */

/** State of the one provider that is called. */
export class MemoryState implements StateStore {
  readonly #values: Map<string, string>;

  /** @param values JSON texts by key */
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = new Map(values);
  }

  /** As they are now. */
  get values(): ReadonlyMap<string, string> {
    return this.#values;
  }

  async get(_owner: unknown, key: string): Promise<string | null> {
    return this.#values.get(key) ?? null;
  }

  async set(_owner: unknown, key: string, json: string, quota: StateQuota): Promise<StateOutcome> {
    const before = this.#values.get(key);
    const size = Buffer.byteLength(json);
    if (size > quota.maxValueBytes) return 'maxValueBytes';
    if (before === undefined && this.#values.size >= quota.maxKeys) return 'maxKeys';
    const others = [...this.#values].filter(([name]) => name !== key);
    const held = others.reduce((sum, [name, value]) => sum + bytesOf(name, value), 0);
    if (held + bytesOf(key, json) > quota.maxBytes) return 'maxBytes';
    this.#values.set(key, json);
    return 'stored';
  }

  async delete(_owner: unknown, key: string): Promise<boolean> {
    return this.#values.delete(key);
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
