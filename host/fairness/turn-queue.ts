interface Lane<T> {
  readonly items: T[];
  /** Of `items`: those before it are taken. */
  head: number;
}

/**
 * What waits, in lanes that take turns: one of each, over and over. Within a lane the first to come is the first to go. So
 * what one tenant queues delays another's next by one at most for each tenant that waits, however much it queues.
 */
export class TurnQueue<T> {
  /** Lanes with something in them; the first has the next turn. */
  readonly #lanes = new Map<string, Lane<T>>();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(lane: string, item: T): void {
    const waiting = this.#lanes.get(lane);
    if (waiting === undefined) this.#lanes.set(lane, { items: [item], head: 0 });
    else waiting.items.push(item);
    this.#length += 1;
  }

  /** What `take` would give. */
  peek(): T | undefined {
    for (const { items, head } of this.#lanes.values()) return items[head];
    return undefined;
  }

  take(): T | undefined {
    for (const [name, lane] of this.#lanes) {
      const item = lane.items[lane.head];
      lane.head += 1;
      this.#length -= 1;
      if (lane.head === lane.items.length) {
        this.#lanes.delete(name);
      } else if (this.#lanes.size > 1) {
        // A Map keeps the order of insertion: now it is behind all others.
        this.#lanes.delete(name);
        this.#lanes.set(name, lane);
      }
      return item;
    }
    return undefined;
  }

  /** Takes all of it. */
  drain(): T[] {
    const all: T[] = [];
    for (let item = this.take(); item !== undefined; item = this.take()) all.push(item);
    return all;
  }
}
