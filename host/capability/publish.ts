import type { Bus, EventMessage, JournalEntry } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import { isEventId, parseEventType, quoted, type TenantId } from '../event/names.ts';
import type { Effect, EffectAnswer, NormalizedEvent } from '../sandbox/protocol.ts';
import type { Capability } from './capability.ts';

/** `bus.publish`: events of the effect's own tenant; the tenant is not the guest's to choose. */
export class PublishCapability implements Capability {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async perform(tenant: TenantId, effect: Effect): Promise<EffectAnswer> {
    const receipts = await this.#bus.publish(tenant, effect.events.map(messageOf), journalOf(effect));
    return { kind: 'ok', output: JSON.stringify({ ids: receipts.map(({ id }) => id) }) };
  }
}

/** Id and type come from a cell, so they are parsed again before they reach a subject or a query. */
export function messageOf({ id, type, json }: NormalizedEvent): EventMessage {
  if (!isEventId(id)) throw new GtpackError('event_invalid', `The cell gave an event the id ${quoted(id)}.`);
  return { id, type: parseEventType(type), json };
}

function journalOf({ run }: Effect): JournalEntry[] {
  if (run === null) return [];
  return run.journal.map(({ ordinal, entry }) => ({ runId: run.runId, ordinal, entry }));
}
