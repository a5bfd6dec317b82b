import type { TenantId } from '../event/names.ts';
import type { HttpAnswer } from '../sandbox/protocol.ts';

/** One request that waits for a flow's answer. */
export interface Waiter {
  /** The first answer to any of its events, or null when none will come: time is up, or the flows ended without one. */
  readonly answered: Promise<HttpAnswer | null>;
  /** Starts the clock; before, the events are not durable yet. */
  startTimer(timeoutMs: number): void;
  /** Ends the wait without an answer. */
  release(): void;
  /** Expects no answer to this one of its events. */
  eventDone(eventId: string): void;
  /** Must be called once the request is answered, whatever happened. */
  close(): void;
}

interface OpenWaiter {
  settle(answer: HttpAnswer | null): void;
  /** One of its events is over without an answer. */
  eventDone(key: string): void;
}

/** The requests that wait, by tenant and event. A request of one tenant can't be answered by another's flow. */
export class Waiters {
  readonly #byEvent = new Map<string, Set<OpenWaiter>>();

  /** Registers before the events are published, so that no answer can come too early. */
  open(tenant: TenantId, eventIds: readonly string[]): Waiter {
    const { promise, resolve } = Promise.withResolvers<HttpAnswer | null>();
    const keys = new Set(eventIds.map((id) => eventKey(tenant, id)));
    const pending = new Set(keys);
    let timer: NodeJS.Timeout | undefined;
    const waiter: OpenWaiter = {
      settle: resolve,
      eventDone: (key) => {
        if (pending.delete(key) && pending.size === 0) resolve(null);
      },
    };
    for (const key of keys) {
      const waiting = this.#byEvent.get(key);
      if (waiting === undefined) this.#byEvent.set(key, new Set([waiter]));
      else waiting.add(waiter);
    }
    return {
      answered: promise,
      startTimer: (timeoutMs) => {
        timer = setTimeout(resolve, timeoutMs, null);
      },
      release: () => resolve(null),
      eventDone: (id) => waiter.eventDone(eventKey(tenant, id)),
      close: () => {
        clearTimeout(timer);
        for (const key of keys) {
          const waiting = this.#byEvent.get(key);
          waiting?.delete(waiter);
          if (waiting?.size === 0) this.#byEvent.delete(key);
        }
      },
    };
  }

  /** @returns whether a request waited for it */
  respond(tenant: TenantId, eventId: string, answer: HttpAnswer): boolean {
    const waiting = this.#byEvent.get(eventKey(tenant, eventId));
    if (waiting === undefined) return false;
    for (const waiter of waiting) waiter.settle(answer);
    return true;
  }

  /** Every run of the event is over: nobody will answer it any more. */
  eventDone(tenant: TenantId, eventId: string): void {
    const key = eventKey(tenant, eventId);
    for (const waiter of this.#byEvent.get(key) ?? []) waiter.eventDone(key);
  }

  releaseAll(): void {
    for (const waiting of this.#byEvent.values()) for (const waiter of waiting) waiter.settle(null);
  }

  /** Events that a request waits for. */
  get size(): number {
    return this.#byEvent.size;
  }
}

/** A tenant's name holds no space, so the pair is unambiguous. */
function eventKey(tenant: TenantId, eventId: string): string {
  return `${tenant} ${eventId}`;
}
