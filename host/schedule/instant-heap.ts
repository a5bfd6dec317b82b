/** Something that is due at an instant. */
export interface Dated {
  /** Milliseconds since the Unix epoch. */
  next: number;
}

/** A binary heap with the earliest on top. */
export class InstantHeap<T extends Dated> {
  #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  get top(): T | undefined {
    return this.#items[0];
  }

  /** In no order. */
  values(): readonly T[] {
    return this.#items;
  }

  /** Adds many at once, in linear time. */
  addAll(items: readonly T[]): void {
    for (const item of items) this.#items.push(item);
    for (let index = (this.#items.length >> 1) - 1; index >= 0; index -= 1) this.#sink(index);
  }

  add(item: T): void {
    this.#rise(this.#items.push(item) - 1);
  }

  /** An item was given an earlier instant: puts it where it belongs. Looks for it from the start. */
  raise(item: T): void {
    this.#rise(this.#items.indexOf(item));
  }

  /** The top was given a later instant: puts it where it belongs. */
  sinkTop(): void {
    this.#sink(0);
  }

  dropTop(): void {
    const last = this.#items.pop();
    if (last === undefined || this.#items.length === 0) return;
    this.#items[0] = last;
    this.#sink(0);
  }

  #rise(start: number): void {
    const items = this.#items;
    const item = items[start];
    if (item === undefined) return;
    let index = start;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = items[parentIndex];
      if (parent === undefined || parent.next <= item.next) break;
      items[index] = parent;
      index = parentIndex;
    }
    items[index] = item;
  }

  #sink(start: number): void {
    const items = this.#items;
    const item = items[start];
    if (item === undefined) return;
    let index = start;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = items[childIndex];
      if (child === undefined) break;
      const right = items[childIndex + 1];
      if (right !== undefined && right.next < child.next) [child, childIndex] = [right, childIndex + 1];
      if (child.next >= item.next) break;
      items[index] = child;
      index = childIndex;
    }
    items[index] = item;
  }
}
