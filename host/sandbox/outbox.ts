/**
 * Collects what is to be sent and sends it once an event loop turn, or when so much waits, so that a hop carries batches
 * under load and costs a lone message nothing but that turn.
 */
export class Outbox<T> {
  #waiting: T[] = [];
  readonly #send: (batch: T[]) => void;
  readonly #most: number;

  /** @param most messages a batch; default: as many as one turn brings */
  constructor(send: (batch: T[]) => void, most = Number.POSITIVE_INFINITY) {
    this.#send = send;
    this.#most = most;
  }

  push(message: T): void {
    const waiting = this.#waiting.push(message);
    if (waiting >= this.#most) this.flush();
    else if (waiting === 1) setImmediate(() => this.flush());
  }

  flush(): void {
    const batch = this.#waiting;
    if (batch.length === 0) return;
    this.#waiting = [];
    this.#send(batch);
  }
}

/** Messages of one cell in one batch while others wait; the rest goes with the next. */
const MOST_OF_A_CELL = 64;

/**
 * An outbox whose messages are grouped by the cell that they belong to. Cells take turns: one that has much to say does not
 * make the others' messages wait for all of it.
 */
export class CellOutbox<T> {
  readonly #send: (groups: { readonly cell: number; readonly messages: T[] }[]) => void;
  /** In the order of their turns. */
  readonly #waiting = new Map<number, T[]>();
  #isPlanned = false;

  constructor(send: (groups: { readonly cell: number; readonly messages: T[] }[]) => void) {
    this.#send = send;
  }

  push(cell: number, messages: readonly T[]): void {
    const waiting = this.#waiting.get(cell);
    if (waiting === undefined) this.#waiting.set(cell, [...messages]);
    else waiting.push(...messages);
    this.#plan();
  }

  /** Sends all of it now. */
  flush(): void {
    while (this.#waiting.size > 0) this.#sendRound();
  }

  #plan(): void {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    setImmediate(() => {
      this.#isPlanned = false;
      this.#sendRound();
      if (this.#waiting.size > 0) this.#plan();
    });
  }

  #sendRound(): void {
    if (this.#waiting.size === 0) return;
    const isAlone = this.#waiting.size === 1;
    const groups: { readonly cell: number; readonly messages: T[] }[] = [];
    for (const [cell, waiting] of [...this.#waiting]) {
      if (isAlone || waiting.length <= MOST_OF_A_CELL) {
        this.#waiting.delete(cell);
        groups.push({ cell, messages: waiting });
      } else {
        groups.push({ cell, messages: waiting.splice(0, MOST_OF_A_CELL) });
      }
    }
    this.#send(groups);
  }
}
