import type { TenantId } from '../../event/names.ts';
import type { Connection } from './connection.ts';
import type { Layout } from './layout.ts';
import { getMessage, store } from './stream-api.ts';

/** Of an event that was put off, or taken over from another host. */
export interface Lease {
  /** How often it was put off. */
  readonly attempts: number;
  /** Not to be delivered before; milliseconds since the Unix epoch. */
  readonly dueAt: number;
  /** The sequence of what is stored; 0 for an event that has no lease, as most. */
  readonly revision: number;
}

export const NO_LEASE: Lease = { attempts: 0, dueAt: 0, revision: 0 };

/**
 * Who may put an event off. A host that is given an event again writes its name here; whoever had it before then finds
 * that it has it no more, and leaves it alone.
 */
export class Leases {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #owner: string;

  constructor(connection: Connection, layout: Layout, owner: string) {
    this.#connection = connection;
    this.#layout = layout;
    this.#owner = owner;
  }

  /** @returns null where yet another host was faster @throws GtpackError `bus_unavailable` */
  async takeOver(tenant: TenantId, position: number): Promise<Lease | null> {
    const found = await this.#find(tenant, position);
    if (found?.owner === this.#owner) return found;
    return this.#write(tenant, position, found ?? NO_LEASE);
  }

  /** @returns null where another host has the event now @throws GtpackError `bus_unavailable` */
  putOff(tenant: TenantId, position: number, lease: Lease, dueAt: number): Promise<Lease | null> {
    return this.#write(tenant, position, { ...lease, attempts: lease.attempts + 1, dueAt });
  }

  async #write(tenant: TenantId, position: number, lease: Lease): Promise<Lease | null> {
    const { attempts, dueAt, revision } = lease;
    const body = `${attempts} ${dueAt} ${this.#owner}`;
    const subject = this.#layout.lease(tenant, position);
    const stored = await store(this.#connection, subject, body, { after: revision });
    if (stored.kind === 'stored') return { attempts, dueAt, revision: stored.sequence };
    const found = await this.#find(tenant, position);
    // Our own, of which the answer was lost.
    return found?.owner === this.#owner && found.attempts === attempts ? found : null;
  }

  async #find(tenant: TenantId, position: number): Promise<(Lease & { readonly owner: string }) | null> {
    const query = { last_by_subj: this.#layout.lease(tenant, position) };
    const found = await getMessage(this.#connection, this.#layout.runs, query);
    if (found === null) return null;
    const [attempts, dueAt, owner = ''] = found.text.split(' ');
    return { attempts: Number(attempts), dueAt: Number(dueAt), owner, revision: found.sequence };
  }
}
