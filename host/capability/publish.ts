import type { Bus, EventMessage } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import {
  CALL_EVENT,
  CALL_SCHEDULE,
  type EventType,
  isEventId,
  parseOpenEventType,
  quoted,
} from '../event/names.ts';
import { allowsPublishing } from '../grant/publish-grant.ts';
import type { NormalizedEvent } from '../sandbox/protocol.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';

const FLOW = 'flow:';
const FLOW_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
/** Types that the audit log names of one call. */
const SHOWN_TYPES = 16;

/**
 * `bus.publish`: events of the caller's own tenant; the tenant is not the guest's to choose. A flow may publish any type,
 * a provider those that its grant names. All of a call's events are published or none.
 */
export class PublishCapability implements Capability {
  readonly name = 'bus';
  readonly #bus: Pick<Bus, 'publish'>;

  constructor(bus: Pick<Bus, 'publish'>) {
    this.#bus = bus;
  }

  async perform({
    tenant,
    source,
    grants,
    fn,
    args,
    events,
    journal,
    reaches,
  }: CapabilityCall): Promise<CapabilityAnswer> {
    const messages = events.map(fn === 'call' ? callOf : messageOf);
    reaches([...new Set(messages.map(({ type }) => type))].slice(0, SHOWN_TYPES).join(' '));
    if (!source.startsWith(FLOW)) {
      for (const { type } of messages) {
        if (!allowsPublishing(grants.bus, type)) throw denied(source, type);
      }
    }
    const schedule = fn === 'call' ? { schedule: scheduleOf(source, args) } : {};
    const receipts = await this.#bus.publish(
      tenant,
      messages.map((message) => ({ ...message, ...schedule })),
      journal,
    );
    return { kind: 'ok', json: JSON.stringify({ ids: receipts.map(({ id }) => id) }) };
  }

  async close(): Promise<void> {}
}

/** A flow may start another one; to a guest the host has no such function. */
function scheduleOf(source: string, [flow = '']: readonly string[]): string {
  if (source.startsWith(FLOW) && FLOW_NAME.test(flow)) return `${CALL_SCHEDULE}${flow}`;
  throw new GtpackError('capability_denied', `${quoted(source)} may not start the flow ${quoted(flow)}.`);
}

/** Id and type come from a cell, so they are parsed again before they reach a subject or a query. */
export function messageOf(event: NormalizedEvent): EventMessage {
  return checked(event, parseOpenEventType(event.type));
}

function callOf(event: NormalizedEvent): EventMessage {
  return checked(event, event.type === CALL_EVENT ? CALL_EVENT : parseOpenEventType(event.type));
}

function checked({ id, json }: NormalizedEvent, type: EventType): EventMessage {
  if (!isEventId(id)) throw new GtpackError('event_invalid', `The cell gave an event the id ${quoted(id)}.`);
  return { id, type, json };
}

function denied(source: string, type: string): GtpackError {
  return new GtpackError(
    'capability_denied',
    `The provider ${source} may not publish events of the type ${type}.`,
    {
      cure: `To allow it, add to the grants of ${source} in the bundle: bus: { publish: ["${type}"] }`,
    },
  );
}
