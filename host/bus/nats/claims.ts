import type { TenantId } from '../../event/names.ts';
import type { Connection } from './connection.ts';
import type { HostKey } from './host-key.ts';
import type { Layout } from './layout.ts';
import { getMessage, store } from './stream-api.ts';

/** Who has an id (B4). */
export interface Claim {
  /** Where the event is on the bus that has it. */
  readonly position: number;
  /** When that event was published; milliseconds since the Unix epoch. */
  readonly at: number;
}

export type ClaimOutcome =
  /** The event has its id, and had it not before. */
  | 'taken'
  /** It had its id before: the event was delivered before, however the server counts. */
  | 'again'
  | 'duplicate';

const MAX_TRIES = 8;

/**
 * Decides which event of several with one id is processed (B4): the first that is claimed. A claim is a message on a
 * subject of its own that may not be there yet, so any number of hosts agree.
 */
export class Claims {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #key: HostKey;
  readonly #windowMs: number;

  constructor(connection: Connection, layout: Layout, key: HostKey, windowMs: number) {
    this.#connection = connection;
    this.#layout = layout;
    this.#key = key;
    this.#windowMs = windowMs;
  }

  /**
   * @param replaced where the event was before it was replayed from there; the claim goes on to the replay
   * @throws GtpackError `bus_unavailable`
   */
  async take(tenant: TenantId, id: string, mine: Claim, replaced?: number): Promise<ClaimOutcome> {
    const subject = this.#subject(tenant, id);
    const body = `${mine.position} ${mine.at}`;
    let after = 0;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = await store(this.#connection, subject, body, { after });
      if (stored.kind === 'stored') return 'taken';
      const there = await getMessage(this.#connection, this.#layout.claims, { last_by_subj: subject });
      if (there === null) {
        after = 0;
        continue;
      }
      const claim = claimOf(there.text);
      if (claim.position === mine.position) return 'again';
      const isOver = mine.at - claim.at >= this.#windowMs && claim.position < mine.position;
      if (!isOver && claim.position !== replaced) return 'duplicate';
      after = there.sequence;
    }
    return 'duplicate';
  }

  /** @throws GtpackError `bus_unavailable` */
  async find(tenant: TenantId, id: string): Promise<Claim | null> {
    const query = { last_by_subj: this.#subject(tenant, id) };
    const there = await getMessage(this.#connection, this.#layout.claims, query);
    return there === null ? null : claimOf(there.text);
  }

  /** Whether a claim keeps out an event that is published now. */
  holds(claim: Claim, now: number): boolean {
    return now - claim.at < this.#windowMs;
  }

  #subject(tenant: TenantId, id: string): string {
    return this.#layout.claim(tenant, this.#key.idToken(tenant, id));
  }
}

function claimOf(text: string): Claim {
  const [position, at] = text.split(' ').map(Number);
  return { position: position ?? 0, at: at ?? 0 };
}
