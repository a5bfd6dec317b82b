import Fastify from 'fastify';
import { loadBundle } from '../../../host/bundle/load.ts';
import type { DurableBus } from '../../../host/bus/bus.ts';
import { openBus } from '../../../host/deploy/open-bus.ts';
import type { Event } from '../../../host/event/event.ts';
import type { Json } from '../../../host/event/json.ts';
import { parseEventType, parseTenantId } from '../../../host/event/names.ts';
import { eventIds } from '../../../host/event/normalize.ts';
import { answerCalls } from '../child.ts';

export interface BareIngressSetup {
  /** Its folder: the bus is the one that it names. */
  readonly bundle: string;
  /** Also take each event off the bus again, as a host does for a tenant without flows. */
  readonly settles: boolean;
}

let bus: DurableBus | undefined;
const app = Fastify();

/** What one would write by hand for one tenant: the same event, the same bus, no provider, no limits, no checks. */
const handlers = {
  async start({ bundle, settles }: BareIngressSetup): Promise<string> {
    const opened = await openBus(await loadBundle(bundle));
    bus = opened;
    const tenant = parseTenantId('bench');
    if (settles) {
      const consumer = await opened.consume(tenant, {
        maxInFlight: 256,
        onDeliveries: (deliveries) => {
          for (const delivery of deliveries) void consumer.settle({ kind: 'ack', delivery, runs: [] });
        },
      });
    }
    const ids = eventIds();
    app.post<{ Params: { tenant: string; eventType: string }; Body: Json }>(
      '/events/webhook/:tenant/:eventType',
      async (request, reply) => {
        const type = parseEventType(request.params.eventType);
        const receivedAt = Date.now();
        const id = ids.next(receivedAt);
        const event: Event = {
          id,
          event_type: type,
          source: 'events-webhook',
          timestamp: receivedAt,
          payload: request.body,
          metadata: {
            trace_id: ids.hex(16),
            correlation_id: id,
            hops: 0,
            http: {
              method: request.method,
              path: request.url,
              headers: { ...(request.headers as Record<string, string>) },
              query: {},
            },
          },
        };
        await opened.publish(tenant, [{ id, type, json: JSON.stringify(event) }]);
        reply.code(202).header('gtpack-event-id', id);
        return { ids: [id], id };
      },
    );
    return app.listen({ host: '127.0.0.1', port: 0 });
  },
};

export type BareIngressProcess = typeof handlers;

answerCalls(handlers, async () => {
  await app.close();
  await bus?.close();
});
