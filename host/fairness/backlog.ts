import type { TenantId } from '../event/names.ts';

/** What the bus says of all tenants that have anything. */
export type CountPending = () => Promise<ReadonlyMap<TenantId, { readonly pending: number }>>;

interface Known {
  /** As the bus last said, with what this host settled and stored since. */
  pending: number;
  /** Stored or settled while the bus was being asked: its answer may hold it or not. */
  sinceAsked: number;
  /** On its way to the bus. */
  underWay: number;
}

/** Another host may store and settle events of the same tenant, and the bus itself what was replayed or was due. */
const FRESH_MS = 1000;
/** A bus of thousands of tenants takes its time to count: it is left alone for so many times as long. */
const REST = 9;

/**
 * How many events of each tenant are stored and not settled, without asking the bus about each: it is asked once a second
 * while events come, or less often where it takes long to answer, and what this host does is counted in between. What is
 * under way counts.
 */
export class Backlogs {
  readonly #count: CountPending;
  readonly #now: () => number;
  readonly #tenants = new Map<TenantId, Known>();
  #askAgainAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(count: CountPending, now: () => number) {
    this.#count = count;
    this.#now = now;
  }

  of(tenant: TenantId): number {
    if (!this.#isAsking && this.#now() >= this.#askAgainAt) void this.ask();
    const known = this.#tenants.get(tenant);
    return known === undefined ? 0 : known.pending + known.underWay;
  }

  /** So many events are about to be stored. @returns what to call with how many of them are new, or 0 */
  begin(tenant: TenantId, count: number): (stored: number) => void {
    const known = this.#known(tenant);
    known.underWay += count;
    return (stored) => {
      known.underWay -= count;
      add(known, stored);
    };
  }

  settled(tenant: TenantId): void {
    add(this.#known(tenant), -1);
  }

  /** Asks the bus. One that does not answer is asked again a second later. */
  async ask(): Promise<void> {
    this.#isAsking = true;
    const askedAt = this.#now();
    for (const known of this.#tenants.values()) known.sinceAsked = 0;
    try {
      const counts = await this.#count();
      for (const [tenant, { pending }] of counts) this.#known(tenant).pending = pending;
      for (const [tenant, known] of this.#tenants) {
        if (!counts.has(tenant)) known.pending = 0;
        known.pending = Math.max(0, known.pending + Math.max(0, known.sinceAsked));
      }
    } catch {
      // Whoever publishes hears of a bus that is away.
    } finally {
      const answeredAt = this.#now();
      this.#askAgainAt = Math.max(askedAt + FRESH_MS, answeredAt + (answeredAt - askedAt) * REST);
      this.#isAsking = false;
    }
  }

  #known(tenant: TenantId): Known {
    let known = this.#tenants.get(tenant);
    if (known === undefined) {
      known = { pending: 0, sinceAsked: 0, underWay: 0 };
      this.#tenants.set(tenant, known);
    }
    return known;
  }
}

function add(known: Known, change: number): void {
  known.pending = Math.max(0, known.pending + change);
  known.sinceAsked += change;
}
