import type { EventType, TenantId } from '../../event/names.ts';
import type { EventMessage, Settlement, TapListener, TappedMessage } from '../bus.ts';
import { deadLetterJson } from './settlement.ts';

/** Tells listeners what became durable, a batch at a time, in commit order. Costs nothing while nobody listens. */
export class Taps {
  readonly #listeners = new Set<TapListener>();
  #messages: TappedMessage[] = [];

  get isHeard(): boolean {
    return this.#listeners.size > 0;
  }

  /** @returns the function that stops it */
  add(listener: TapListener): () => void {
    // A function of its own, so that a listener added twice is stopped once.
    const heard: TapListener = (messages) => listener(messages);
    this.#listeners.add(heard);
    return () => {
      this.#listeners.delete(heard);
    };
  }

  event(tenant: TenantId, { type, json }: EventMessage): void {
    this.note({ kind: 'event', tenant, type, json });
  }

  settled(tenant: TenantId, settlement: Settlement): void {
    if (settlement.kind === 'nak' || this.#listeners.size === 0) return;
    const type: EventType = settlement.delivery.type;
    for (const { resultJson, event } of settlement.runs)
      this.note({ kind: 'result', tenant, type: event?.type ?? type, json: resultJson });
    if (settlement.kind === 'dead')
      this.note({ kind: 'dead_letter', tenant, type, json: deadLetterJson(settlement) });
  }

  /** The batch is complete. */
  flush(): void {
    if (this.#messages.length === 0) return;
    const messages = this.#messages;
    this.#messages = [];
    for (const listener of this.#listeners) listener(messages);
  }

  note(message: TappedMessage): void {
    if (this.#listeners.size > 0) this.#messages.push(message);
  }
}
