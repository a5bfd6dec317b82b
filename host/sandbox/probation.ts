import type { TenantId } from '../event/names.ts';

/** How long a tenant stands apart after a cell host's death that it may have caused. */
const PROBATION_MS = 3_600_000;

interface Charge {
  until: number;
  /** Suspects of one death share it: when one of them is found guilty, the others go free. */
  readonly death: number;
  oneAtATime: boolean;
}

/** The tenants whose cells may have ended a cell host. Their next cells take no other tenant along. */
export class Probation {
  readonly #now: () => number;
  readonly #charges = new Map<TenantId, Charge>();
  #deaths = 0;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number) {
    this.#now = now;
  }

  isOn(tenant: TenantId): boolean {
    return this.#charge(tenant) !== undefined;
  }

  /** Whether its jobs run one by one: it was guilty again, and nobody knew which of them was. */
  isOneAtATime(tenant: TenantId): boolean {
    return this.#charge(tenant)?.oneAtATime === true;
  }

  /** Any of them may have done it. */
  suspect(tenants: readonly TenantId[]): void {
    this.#deaths += 1;
    for (const tenant of tenants) {
      const oneAtATime = this.#charge(tenant)?.oneAtATime === true;
      this.#charges.set(tenant, { until: this.#now() + PROBATION_MS, death: this.#deaths, oneAtATime });
    }
  }

  /** It did it. @param known whether the job is known that did */
  convict(tenant: TenantId, known: boolean): void {
    const before = this.#charge(tenant);
    if (before !== undefined) {
      for (const [other, { death }] of this.#charges) {
        if (death === before.death) this.#charges.delete(other);
      }
    }
    this.#deaths += 1;
    this.#charges.set(tenant, {
      until: this.#now() + PROBATION_MS,
      death: this.#deaths,
      oneAtATime: before !== undefined && (before.oneAtATime || !known),
    });
  }

  #charge(tenant: TenantId): Charge | undefined {
    const charge = this.#charges.get(tenant);
    if (charge === undefined || this.#now() < charge.until) return charge;
    this.#charges.delete(tenant);
    return undefined;
  }
}
