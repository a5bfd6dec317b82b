import type { Bus, Receipt } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import { parseEventType, parseTenantId, type TenantId } from '../event/names.ts';
import { type EventIds, eventIds, eventToJson, normalizeDraft } from '../event/normalize.ts';
import { DEFAULT_LIMITS } from '../limits.ts';

export interface EmitterOptions {
  readonly bus: Bus;
  readonly knows: (tenant: TenantId) => boolean;
  readonly now: () => number;
}

const BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxEventBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};

/** Events that an operator publishes by hand. */
export class Emitter {
  readonly #options: EmitterOptions;
  readonly #ids: EventIds = eventIds();

  constructor(options: EmitterOptions) {
    this.#options = options;
  }

  /** @throws GtpackError `tenant_invalid`, `tenant_unknown`, `event_type_invalid`, `json_invalid` and the bounds of JSON */
  async emit(tenantText: string, typeText: string, payloadJson: string): Promise<Receipt> {
    const tenant = parseTenantId(tenantText);
    const type = parseEventType(typeText);
    const { bus, knows, now } = this.#options;
    if (!knows(tenant)) throw new GtpackError('tenant_unknown', `The bundle has no tenant ${tenant}.`);
    const payload = parseBoundedJson(payloadJson, BOUNDS, 'The payload');
    const event = normalizeDraft(
      { payload },
      { source: 'operator', eventType: type, receivedAt: now(), ids: this.#ids },
      'The event',
    );
    const [receipt] = await bus.publish(tenant, [{ id: event.id, type, json: eventToJson(event, BOUNDS) }]);
    return receipt ?? { id: event.id, duplicate: false };
  }
}
