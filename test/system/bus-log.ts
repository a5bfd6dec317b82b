import type { TappedMessage } from '../../host/bus/bus.ts';

/** A message of the bus, with its JSON read. */
export interface Seen {
  readonly kind: TappedMessage['kind'];
  readonly tenant: string;
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  readonly json: any;
}

/** What passed on a bus, and a way to wait for more. */
export class BusLog {
  readonly seen: Seen[] = [];
  readonly #waiting = new Set<() => void>();

  readonly listener = (messages: readonly TappedMessage[]): void => {
    this.add(
      messages.map(({ kind, tenant, type, json }) => ({ kind, tenant, type, json: JSON.parse(json) })),
    );
  };

  add(messages: readonly Seen[]): void {
    this.seen.push(...messages);
    for (const look of [...this.#waiting]) look();
  }

  /** Resolves with the first value that is not undefined, looked for after each message. */
  until<T>(look: (seen: readonly Seen[]) => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const again = (): void => {
        try {
          const found = look(this.seen);
          if (found === undefined) return;
          this.#waiting.delete(again);
          resolve(found);
        } catch (error) {
          this.#waiting.delete(again);
          reject(error);
        }
      };
      this.#waiting.add(again);
      again();
    });
  }

  /** The first result of that event. */
  result(eventId: string, tenant?: string): Promise<Seen> {
    return this.until((seen) =>
      seen.find(
        ({ kind, json, tenant: of }) =>
          kind === 'result' && json.event_id === eventId && (tenant === undefined || of === tenant),
      ),
    );
  }

  /** Resolves when each of the events has a result. */
  async results(eventIds: readonly string[]): Promise<void> {
    const open = new Set(eventIds);
    let looked = 0;
    await this.until((seen) => {
      for (; looked < seen.length; looked += 1) {
        const message = seen[looked];
        if (message?.kind === 'result') open.delete(message.json.event_id);
      }
      return open.size === 0 ? true : undefined;
    });
  }

  deadLetter(eventId: string): Promise<Seen> {
    return this.until((seen) =>
      seen.find(({ kind, json }) => kind === 'dead_letter' && JSON.stringify(json).includes(eventId)),
    );
  }

  of(kind: Seen['kind'], tenant?: string): Seen[] {
    return this.seen.filter((each) => each.kind === kind && (tenant === undefined || each.tenant === tenant));
  }
}
