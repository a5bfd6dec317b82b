import type {
  Bus,
  ConsumeOptions,
  Consumer,
  Delivery,
  EventMessage,
  RunRecord,
} from '../../../host/bus/bus.ts';
import { type EventType, parseEventType, parseTenantId, type TenantId } from '../../../host/event/names.ts';

export const ACME: TenantId = parseTenantId('acme');
export const GLOBEX: TenantId = parseTenantId('globex');
export const ORDER: EventType = parseEventType('order.created');

export function message(id: string, json = `{"id":${JSON.stringify(id)}}`): EventMessage {
  return { id, type: ORDER, json };
}

export function messages(count: number, prefix = 'event-'): EventMessage[] {
  return Array.from({ length: count }, (_, index) => message(`${prefix}${index}`));
}

export function runOf(runId: string, status: RunRecord['status'] = 'ok'): RunRecord {
  const resultJson = JSON.stringify({ run_id: runId, status });
  return {
    runId,
    flow: 'handle',
    flowDigest: 'f00d',
    status,
    durationMs: 7,
    resultJson,
    journalJson: '[{"node":"first"}]',
  };
}

/** A consumer that keeps what it is given, and settles nothing by itself. */
export class Collector {
  readonly deliveries: Delivery[] = [];
  readonly batches: number[] = [];
  #consumer: Consumer | undefined;
  #wanted = 0;
  #wake: () => void = () => undefined;
  /** Called with each delivery, after it was kept. */
  onDelivery: (delivery: Delivery) => void = () => undefined;

  static async start(bus: Pick<Bus, 'consume'>, tenant: TenantId, maxInFlight = 100): Promise<Collector> {
    const collector = new Collector();
    await collector.consume(bus, tenant, { maxInFlight });
    return collector;
  }

  async consume(
    bus: Pick<Bus, 'consume'>,
    tenant: TenantId,
    options: Omit<ConsumeOptions, 'onDeliveries'>,
  ): Promise<void> {
    this.#consumer = await bus.consume(tenant, {
      ...options,
      onDeliveries: (deliveries) => this.#keep(deliveries),
    });
  }

  get ids(): string[] {
    return this.deliveries.map(({ id }) => id);
  }

  get consumer(): Consumer {
    if (this.#consumer === undefined) throw new Error('not started');
    return this.#consumer;
  }

  #keep(deliveries: readonly Delivery[]): void {
    this.batches.push(deliveries.length);
    for (const delivery of deliveries) {
      this.deliveries.push(delivery);
      this.onDelivery(delivery);
    }
    if (this.deliveries.length >= this.#wanted) this.#wake();
  }

  /** Resolves once so many have come in all. */
  async until(count: number): Promise<void> {
    if (this.deliveries.length >= count) return;
    this.#wanted = count;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  at(index: number): Delivery {
    const delivery = this.deliveries[index];
    if (delivery === undefined)
      throw new Error(`expected a delivery ${index}, got ${this.deliveries.length}`);
    return delivery;
  }

  ack(delivery: Delivery, runs: readonly RunRecord[] = []): Promise<void> {
    return this.consumer.settle({ kind: 'ack', delivery, runs });
  }

  nak(delivery: Delivery, delayMs: number): Promise<void> {
    return this.consumer.settle({ kind: 'nak', delivery, delayMs });
  }

  dead(
    delivery: Delivery,
    reason: string,
    runs: readonly RunRecord[] = [],
    alert?: EventMessage,
  ): Promise<void> {
    const more = alert === undefined ? {} : { alert };
    return this.consumer.settle({ kind: 'dead', delivery, reason, runs, ...more });
  }
}

/** Resolves once the bus has done all that it had to do: two trips, as the first may ask for more. */
export async function settled(bus: Bus): Promise<void> {
  for (let trip = 0; trip < 3; trip += 1) await bus.journals(['no such run']);
}
