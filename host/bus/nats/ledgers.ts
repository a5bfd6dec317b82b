import { GtpackError } from '../../errors.ts';
import type { Owner } from '../owner.ts';
import type { KeptStream } from './kept-stream.ts';
import { Ledger, type LedgerOutcome, type LedgerTask } from './ledger.ts';

/** Ledgers that are known beyond those that work; a forgotten one is read again. */
const MAX_KNOWN = 10_000;
/** Of all owners together, and the share of one. */
const MAX_WAITING = 10_000;
const MAX_WAITING_OF_ONE = 5000;

/** The ledgers of all owners, and the bounds on what waits for them. */
export class Ledgers {
  readonly #stream: KeptStream;
  readonly #ledgers = new Map<string, { readonly ledger: Ledger; waiting: number }>();
  #waiting = 0;

  constructor(stream: KeptStream) {
    this.#stream = stream;
  }

  /** @throws GtpackError `bus_unavailable` at once while the server is away or too much waits; `bus_disk_full` */
  async run<T>(owner: Owner, task: LedgerTask<T>): Promise<LedgerOutcome<T>> {
    this.#stream.connection.checkReady();
    const known = this.#of(owner);
    if (this.#waiting >= MAX_WAITING || known.waiting >= MAX_WAITING_OF_ONE)
      throw new GtpackError('bus_unavailable', 'More waits to be stored than the bus holds in memory.', {
        cure: 'Send again a little later.',
      });
    this.#waiting += 1;
    known.waiting += 1;
    try {
      return await known.ledger.run(task);
    } finally {
      this.#waiting -= 1;
      known.waiting -= 1;
    }
  }

  #of(owner: Owner): { readonly ledger: Ledger; waiting: number } {
    const name = this.#stream.ledger(owner);
    const known = this.#ledgers.get(name) ?? { ledger: new Ledger(this.#stream, owner), waiting: 0 };
    // The one that was used last stands last.
    this.#ledgers.delete(name);
    this.#ledgers.set(name, known);
    if (this.#ledgers.size > MAX_KNOWN) this.#forgetOne();
    return known;
  }

  #forgetOne(): void {
    for (const [name, { ledger }] of this.#ledgers) {
      if (!ledger.isIdle) continue;
      this.#ledgers.delete(name);
      return;
    }
  }
}
