import type { TimerQueue, WaitingTimers } from '../timers.ts';

/** What is in memory of a timer: its texts stay on the server. */
export interface IndexedTimer {
  readonly subject: string;
  readonly sequence: number;
  readonly dueAt: number;
}

interface IndexedQueue {
  readonly queue: TimerQueue;
  /** By subject. */
  readonly timers: Map<string, IndexedTimer>;
  /** A binary heap by instant; holds some that are not so any more, until they come to its top. */
  heap: IndexedTimer[];
}

/** The timers of all owners by their queues: about 300 bytes each, for as many as the grants let providers set. */
export class TimerIndex {
  readonly #queues = new Map<string, IndexedQueue>();
  /** The queue that holds a subject's timer. */
  readonly #places = new Map<string, IndexedQueue>();

  /** @returns whether the timer is another one than before */
  set(queue: TimerQueue, timer: IndexedTimer): boolean {
    const before = this.get(timer.subject);
    if (before !== undefined && before.sequence >= timer.sequence) return false;
    const indexed = this.#of(queue);
    if (before !== undefined && this.#places.get(timer.subject) !== indexed) this.drop(timer.subject);
    indexed.timers.set(timer.subject, timer);
    this.#places.set(timer.subject, indexed);
    push(indexed.heap, timer);
    // Timers that were moved and cleared leave their places behind.
    if (indexed.heap.length > 2 * indexed.timers.size + 64) {
      indexed.heap = [];
      for (const there of indexed.timers.values()) push(indexed.heap, there);
    }
    return true;
  }

  get(subject: string): IndexedTimer | undefined {
    return this.#places.get(subject)?.timers.get(subject);
  }

  /** @param upTo a later one stays */
  drop(subject: string, upTo = Number.POSITIVE_INFINITY): void {
    const indexed = this.#places.get(subject);
    const timer = indexed?.timers.get(subject);
    if (indexed === undefined || timer === undefined || timer.sequence > upTo) return;
    indexed.timers.delete(subject);
    this.#places.delete(subject);
    if (indexed.timers.size === 0) this.#queues.delete(nameOf(indexed.queue));
  }

  clear(): void {
    this.#queues.clear();
    this.#places.clear();
  }

  queues(): WaitingTimers[] {
    return [...this.#queues.values()].map(({ queue, timers, heap }) => {
      const [top] = firstOf(timers, heap, 1);
      return { ...queue, count: timers.size, nextDueAt: top?.dueAt ?? 0 };
    });
  }

  /** The first timers of a queue, in the order of their instants. */
  first(queue: TimerQueue, limit: number): IndexedTimer[] {
    const indexed = this.#queues.get(nameOf(queue));
    return indexed === undefined ? [] : firstOf(indexed.timers, indexed.heap, limit);
  }

  #of({ tenant, source, type }: TimerQueue): IndexedQueue {
    const queue = { tenant, source, type };
    const name = nameOf(queue);
    const known = this.#queues.get(name) ?? { queue, timers: new Map(), heap: [] };
    this.#queues.set(name, known);
    return known;
  }
}

/** None of the three holds a line feed. */
function nameOf({ tenant, source, type }: TimerQueue): string {
  return `${tenant}\n${source}\n${type}`;
}

function firstOf(
  timers: ReadonlyMap<string, IndexedTimer>,
  heap: IndexedTimer[],
  limit: number,
): IndexedTimer[] {
  const found: IndexedTimer[] = [];
  while (found.length < limit) {
    const top = pop(heap);
    if (top === undefined) break;
    if (timers.get(top.subject) === top) found.push(top);
  }
  for (const timer of found) push(heap, timer);
  return found;
}

function push(heap: IndexedTimer[], timer: IndexedTimer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || parent.dueAt <= timer.dueAt) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = timer;
}

function pop(heap: IndexedTimer[]): IndexedTimer | undefined {
  const [top] = heap;
  const last = heap.pop();
  if (top === undefined || last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    const left = heap[below];
    const right = heap[below + 1];
    if (left === undefined) break;
    if (right !== undefined && right.dueAt < left.dueAt) below += 1;
    const child = heap[below];
    if (child === undefined || child.dueAt >= last.dueAt) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
  return top;
}
