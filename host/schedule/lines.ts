import type { TenantId } from '../event/names.ts';

/** What waits for its turn, a line for each tenant: a tenant with thousands takes turns with one that has one. */
export class Lines<T> {
  readonly #maxAtWork: number;
  readonly #lines = new Map<TenantId, Line<T>>();
  /** Lines that may send one forward, each once. */
  readonly #turns: Line<T>[] = [];

  /** @param maxAtWork of one tenant */
  constructor(maxAtWork: number) {
    this.#maxAtWork = maxAtWork;
  }

  add(tenant: TenantId, item: T): void {
    let line = this.#lines.get(tenant);
    if (line === undefined) {
      line = { tenant, items: [], head: 0, atWork: 0, hasTurn: false };
      this.#lines.set(tenant, line);
    }
    line.items.push(item);
    this.#giveTurn(line);
  }

  /** The next one; `done` is to be called for its tenant afterwards. */
  take(): T | undefined {
    const line = this.#turns.shift();
    if (line === undefined) return undefined;
    line.hasTurn = false;
    const item = line.items[line.head];
    line.head += 1;
    line.atWork += 1;
    if (line.head === line.items.length) {
      line.items = [];
      line.head = 0;
    }
    this.#giveTurn(line);
    return item;
  }

  done(tenant: TenantId): void {
    const line = this.#lines.get(tenant);
    if (line === undefined) return;
    line.atWork -= 1;
    if (line.atWork === 0 && line.items.length === 0) this.#lines.delete(tenant);
    else this.#giveTurn(line);
  }

  #giveTurn(line: Line<T>): void {
    if (line.hasTurn || line.items.length === 0 || line.atWork >= this.#maxAtWork) return;
    line.hasTurn = true;
    this.#turns.push(line);
  }
}

interface Line<T> {
  readonly tenant: TenantId;
  items: T[];
  /** Of those before it the turn has been. */
  head: number;
  atWork: number;
  hasTurn: boolean;
}
