import type { DurableBus } from '../bus.ts';
import { SYSTEM_SCHEDULER } from '../embedded/scheduler.ts';
import { parkedRuns, parkingTimer } from '../parked.ts';
import { type Kept, openKept } from './kept.ts';
import { KeptSchedules } from './kept-schedules.ts';
import { KeptStream } from './kept-stream.ts';
import { NatsBus, type NatsBusOptions, type ParkedStore } from './nats.ts';

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
    bus.parked = parkedIn(kept);
    const schedules = new KeptSchedules({
      ...{ stream: new KeptStream(connection), scheduler, dedupeWindowMs, publish },
      isEnded: (tenant, id) => bus.isEnded(tenant, id),
      watchEnds: (listener) => bus.watchEnds(listener),
    });
    return {
      ...{ state: kept.state, timers: kept.timers, waits: kept.timers.waits, schedules, deadLetters, runs },
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

/** Runs that are parked are timers of the host's own. Whether there is room was asked before. */
export function parkedIn({ timers }: Pick<Kept, 'timers'>): ParkedStore {
  return {
    park: async (tenant, run) => {
      await timers.set(parkedRuns(tenant), parkingTimer(run), Number.POSITIVE_INFINITY);
    },
    count: (tenant) => timers.count(parkedRuns(tenant)),
  };
}
