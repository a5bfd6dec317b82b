import type { DurableBus } from '../bus.ts';
import { SYSTEM_SCHEDULER } from '../embedded/scheduler.ts';
import { openKept } from './kept.ts';
import { KeptSchedules } from './kept-schedules.ts';
import { KeptStream } from './kept-stream.ts';
import { NatsBus, type NatsBusOptions } from './nats.ts';

/**
 * Opens the bus on NATS with what lies beside it on the same server.
 * @throws GtpackError `bus_unreachable`, `bus_refused`, `bus_mismatch`, `bus_unavailable`
 */
export async function openNatsBus(options: NatsBusOptions): Promise<DurableBus> {
  const bus = await NatsBus.open(options);
  try {
    const { connection, dedupeWindowMs, deadLetters, runs } = bus;
    const scheduler = options.scheduler ?? SYSTEM_SCHEDULER;
    const publish: NatsBus['publish'] = (tenant, messages) => bus.publish(tenant, messages);
    const kept = await openKept({ connection, scheduler, publish });
    const schedules = new KeptSchedules({
      ...{ stream: new KeptStream(connection), scheduler, dedupeWindowMs, publish },
      isEnded: (tenant, id) => bus.isEnded(tenant, id),
      watchEnds: (listener) => bus.watchEnds(listener),
    });
    return {
      ...{ state: kept.state, timers: kept.timers, schedules, deadLetters, runs },
      publish: (tenant, messages, journal) => bus.publish(tenant, messages, journal),
      consume: (tenant, consume) => bus.consume(tenant, consume),
      journals: (runIds) => bus.journals(runIds),
      tap: (listener) => bus.tap(listener),
      counts: () => bus.counts(),
      // The client connects again for as long as it takes.
      lost: new Promise(() => undefined),
      close: async () => {
        await kept.close();
        await bus.close();
      },
    };
  } catch (error) {
    await bus.close();
    throw error;
  }
}
