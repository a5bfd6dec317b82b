import type { TenantId } from '../../event/names.ts';
import type { EventMessage } from '../bus.ts';
import type { Scheduler } from '../embedded/scheduler.ts';
import type { StateStore } from '../state.ts';
import type { Connection } from './connection.ts';
import { KeptState } from './kept-state.ts';
import { KeptStream } from './kept-stream.ts';
import { KeptTimers } from './kept-timers.ts';
import { Ledgers } from './ledgers.ts';

/** What providers keep on NATS. */
export interface Kept {
  readonly state: StateStore;
  readonly timers: KeptTimers;
  /** Sweeps and hears nothing more; the connection is its owner's to close. */
  close(): Promise<void>;
}

export interface KeptOptions {
  readonly connection: Connection;
  readonly scheduler: Scheduler;
  /** Stores events of timers. */
  readonly publish: (tenant: TenantId, messages: readonly EventMessage[]) => Promise<unknown>;
}

/** Opens state and timers on the stream that `openStreams` made. @throws GtpackError `bus_unavailable` */
export async function openKept({ connection, scheduler, publish }: KeptOptions): Promise<Kept> {
  const stream = new KeptStream(connection);
  const ledgers = new Ledgers(stream);
  const timers = await KeptTimers.open({
    ...{ stream, ledgers },
    publish: ({ tenant }, event) => publish(tenant, [event]),
  });
  const state = new KeptState({ stream, ledgers, scheduler });
  return {
    state,
    timers,
    close: async () => {
      state.close();
      await timers.close();
    },
  };
}
