import type { EventType, TenantId } from '../event/names.ts';
import { isPattern, matchesTokens } from '../event/type-pattern.ts';

/**
 * The parked runs that wait for events, by tenant and by the pattern of the type that they wait for. What they need to go
 * on with stays in the store: here is only what tells which of them an event may be for.
 */
export interface Waits {
  /** Whether a run of the tenant waits for an event, as far as this host knows. */
  has(tenant: TenantId): boolean;

  /** Resolves when this host knows of all that were parked before, by whatever host. @throws GtpackError `bus_unavailable` */
  catchUp(tenant: TenantId): Promise<void>;

  /**
   * The parked runs that an event may be for, by the ids of their parkings, the oldest first.
   * @param valueAt what stands at a path in the event, as `Awaited` has it; undefined where nothing does
   */
  find(
    tenant: TenantId,
    event: { readonly type: EventType; readonly position: number },
    valueAt: (path: readonly string[]) => string | undefined,
  ): string[];
}

/** What a parked run waits for. */
export interface Awaited {
  /** `*` is one token, a final `>` the rest. */
  readonly pattern: string;
  /** Events up to this position on the bus are none of its. */
  readonly after: number;
  /** What the event has to hold at a path: narrows down which runs are asked, and says of none that the event is its. */
  readonly key?: { readonly path: readonly string[]; readonly value: string };
}

interface Waiter {
  readonly tenant: TenantId;
  readonly id: string;
  readonly awaited: Awaited;
  readonly place: number;
}

/** Those that wait for one pattern. */
class Group {
  readonly #tokens: readonly string[];
  readonly #isPattern: boolean;
  readonly #unkeyed = new Set<Waiter>();
  readonly #keyed = new Map<
    string,
    { readonly path: readonly string[]; readonly byValue: Map<string, Set<Waiter>> }
  >();

  constructor(pattern: string) {
    this.#tokens = pattern.split('.');
    this.#isPattern = isPattern(this.#tokens);
  }

  /** Of those that do not, none is asked: an exact type is found by its name. */
  isFor(tokens: readonly string[]): boolean {
    return this.#isPattern && matchesTokens(this.#tokens, tokens);
  }

  get isEmpty(): boolean {
    return this.#unkeyed.size === 0 && this.#keyed.size === 0;
  }

  add(waiter: Waiter): void {
    const { key } = waiter.awaited;
    if (key === undefined) {
      this.#unkeyed.add(waiter);
      return;
    }
    const name = JSON.stringify(key.path);
    const at = this.#keyed.get(name) ?? { path: key.path, byValue: new Map<string, Set<Waiter>>() };
    this.#keyed.set(name, at);
    const same = at.byValue.get(key.value) ?? new Set();
    at.byValue.set(key.value, same.add(waiter));
  }

  drop(waiter: Waiter): void {
    const { key } = waiter.awaited;
    if (key === undefined) {
      this.#unkeyed.delete(waiter);
      return;
    }
    const name = JSON.stringify(key.path);
    const byValue = this.#keyed.get(name)?.byValue;
    const same = byValue?.get(key.value);
    same?.delete(waiter);
    if (same?.size === 0) byValue?.delete(key.value);
    if (byValue?.size === 0) this.#keyed.delete(name);
  }

  *candidates(valueAt: (path: readonly string[]) => string | undefined): Iterable<Waiter> {
    yield* this.#unkeyed;
    for (const { path, byValue } of this.#keyed.values()) {
      const value = valueAt(path);
      if (value !== undefined) yield* byValue.get(value) ?? [];
    }
  }
}

/** In memory: about 800 bytes for each run that waits, of as many as the limits let tenants park. */
export class WaitIndex {
  readonly #tenants = new Map<TenantId, Map<string, Group>>();
  readonly #waiters = new Map<string, Waiter>();
  #places = 0;

  /** @param name of the waiter in the store, of all tenants; the one that has it before gives way */
  add(name: string, tenant: TenantId, id: string, awaited: Awaited): void {
    this.drop(name);
    this.#places += 1;
    const waiter = { tenant, id, awaited, place: this.#places };
    this.#waiters.set(name, waiter);
    const groups = this.#tenants.get(tenant) ?? new Map<string, Group>();
    this.#tenants.set(tenant, groups);
    const group = groups.get(awaited.pattern) ?? new Group(awaited.pattern);
    groups.set(awaited.pattern, group);
    group.add(waiter);
  }

  drop(name: string): void {
    const waiter = this.#waiters.get(name);
    if (waiter === undefined) return;
    this.#waiters.delete(name);
    const { tenant, awaited } = waiter;
    const groups = this.#tenants.get(tenant);
    const group = groups?.get(awaited.pattern);
    group?.drop(waiter);
    if (group?.isEmpty === true) groups?.delete(awaited.pattern);
    if (groups?.size === 0) this.#tenants.delete(tenant);
  }

  has(tenant: TenantId): boolean {
    return this.#tenants.has(tenant);
  }

  find(...[tenant, { type, position }, valueAt]: Parameters<Waits['find']>): string[] {
    const groups = this.#tenants.get(tenant);
    if (groups === undefined) return [];
    const tokens = type.split('.');
    const found: Waiter[] = [];
    for (const [pattern, group] of groups) {
      if (pattern !== type && !group.isFor(tokens)) continue;
      for (const waiter of group.candidates(valueAt)) if (waiter.awaited.after < position) found.push(waiter);
    }
    return found.sort((a, b) => a.place - b.place).map(({ id }) => id);
  }
}
