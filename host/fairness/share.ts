/** What is kept for tenants that have next to nothing: room for so many of them. */
const NEWCOMERS = 128;
/** A newcomer's part of the whole. */
const FIRST_PART = 1024;

/**
 * Whether a tenant may take so much more of something that all tenants share: as long as it then holds no more than is
 * free for others. One that is alone gets half, of two each a third; nobody has to be told a share beforehand, and the sum
 * stays within its bound. (A. K. Choudhury, E. L. Hahne, Dynamic queue length thresholds for shared-memory packet
 * switches, 1998, with a factor of one.) Since what is left shrinks with each that comes, an eighth is kept for those that
 * have less than a thousandth.
 * @param own what it holds
 * @param inAll what all of them hold, its own included
 */
export function isWithinShare(own: number, more: number, inAll: number, max: number): boolean {
  const first = Math.floor(max / FIRST_PART);
  if (own + more <= first) return inAll + more <= max;
  return own + more <= max - first * NEWCOMERS - inAll;
}

/** The most that a tenant may take more, one after the other; see `isWithinShare`. */
export function roomWithinShare(own: number, inAll: number, max: number): number {
  const first = Math.floor(max / FIRST_PART);
  const asNewcomer = Math.min(first - own, max - inAll);
  // What it takes is no longer free for others, and counts twice.
  const later = Math.floor((max - first * NEWCOMERS - inAll - own + 1) / 2);
  return Math.max(0, asNewcomer, later);
}

/** Counts something that all tenants share, tenant by tenant, each within its share. */
export class SharedAmount {
  readonly #max: number;
  readonly #own = new Map<string, number>();
  #inAll = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get inAll(): number {
    return this.#inAll;
  }

  ownOf(tenant: string): number {
    return this.#own.get(tenant) ?? 0;
  }

  hasRoom(tenant: string, more: number): boolean {
    return isWithinShare(this.ownOf(tenant), more, this.#inAll, this.#max);
  }

  /** Whatever the share: whoever may be refused asks `hasRoom` first. */
  add(tenant: string, amount: number): void {
    this.#own.set(tenant, this.ownOf(tenant) + amount);
    this.#inAll += amount;
  }

  remove(tenant: string, amount: number): void {
    const left = this.ownOf(tenant) - amount;
    if (left > 0) this.#own.set(tenant, left);
    else this.#own.delete(tenant);
    this.#inAll -= amount;
  }
}
