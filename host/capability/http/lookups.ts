import { lookup } from 'node:dns/promises';
import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import { type Address, readAddress } from '../../grant/address.ts';
import { Turns } from './turns.ts';

/** Every address of a host name, as the system finds them. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export const systemResolve: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/** A lookup holds one of libuv's few threads for as long as it takes: one tenant's slow names may not hold them all. */
const LOOKUPS_OF_A_TENANT = 2;

interface TenantLookups {
  readonly turns: Turns;
  readonly running: Map<string, Promise<readonly Address[]>>;
}

/** Resolves names, once for all that ask for the same one while it runs. Nothing is kept after it. */
export class Lookups {
  readonly #resolve: Resolve;
  readonly #tenants = new Map<TenantId, TenantLookups>();

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  /** @throws GtpackError `http_unreachable`; whatever the resolver throws */
  async addressesOf(tenant: TenantId, hostname: string): Promise<readonly Address[]> {
    const { turns, running } = this.#of(tenant);
    const shared = running.get(hostname);
    if (shared !== undefined) return shared;
    const own = turns.take(() => this.#resolve(hostname)).then((found) => parse(hostname, found));
    running.set(hostname, own);
    try {
      return await own;
    } finally {
      running.delete(hostname);
      if (running.size === 0) this.#tenants.delete(tenant);
    }
  }

  #of(tenant: TenantId): TenantLookups {
    const existing = this.#tenants.get(tenant);
    if (existing !== undefined) return existing;
    const created = { turns: new Turns(LOOKUPS_OF_A_TENANT), running: new Map() };
    this.#tenants.set(tenant, created);
    return created;
  }
}

function parse(hostname: string, found: readonly string[]): readonly Address[] {
  const addresses = found.map(readAddress);
  const known = addresses.filter((address) => address !== undefined);
  if (known.length > 0 && known.length === addresses.length) return known;
  throw new GtpackError('http_unreachable', `The host name ${hostname} does not resolve to IP addresses.`);
}
