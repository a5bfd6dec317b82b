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

/** An outbox whose messages are grouped by the cell that they belong to. */
export class CellOutbox<T> {
  readonly #outbox: Outbox<{ readonly cell: number; readonly messages: T[] }>;
  readonly #open = new Map<number, T[]>();

  constructor(send: (groups: { readonly cell: number; readonly messages: T[] }[]) => void) {
    this.#outbox = new Outbox((groups) => {
      this.#open.clear();
      send(groups);
    });
  }

  push(cell: number, messages: readonly T[]): void {
    const group = this.#open.get(cell);
    if (group !== undefined) {
      group.push(...messages);
      return;
    }
    const started = [...messages];
    this.#open.set(cell, started);
    this.#outbox.push({ cell, messages: started });
  }

  flush(): void {
    this.#outbox.flush();
  }
}
