import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { IngressTenant } from './directory.ts';

/** How many requests of each tenant are under way. */
export class InFlight {
  readonly #counts = new Map<TenantId, number>();

  /** I4. @throws GtpackError `cell_busy` when the tenant has its share */
  enter({ id, maxInFlight }: IngressTenant): void {
    const count = this.#counts.get(id) ?? 0;
    if (count >= maxInFlight) {
      throw new GtpackError(
        'cell_busy',
        `The tenant ${id} has ${count} requests under way, as many as it may have. Send this one again later.`,
      );
    }
    this.#counts.set(id, count + 1);
  }

  leave({ id }: IngressTenant): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 1) - 1);
  }
}
