import { NatsServer } from '../nats/server.ts';

/** What a bundle says of its bus, and what has to run for it. */
export interface BenchBus extends AsyncDisposable {
  /** Keys of the bundle. */
  readonly keys: Readonly<Record<string, unknown>>;
}

export interface BusKind {
  readonly name: 'embedded' | 'NATS';
  /** One that nobody else uses. */
  open(): Promise<BenchBus>;
}

/** The only one that a smoke run takes where the row is about more than the bus. */
export const EMBEDDED: BusKind = {
  name: 'embedded',
  open: async () => ({ keys: {}, [Symbol.asyncDispose]: async () => undefined }),
};

/** One server, which confirms without a sync of its disk, as it does by default. */
const NATS: BusKind = {
  name: 'NATS',
  async open() {
    const server = await NatsServer.start();
    return {
      keys: { bus: { kind: 'nats', servers: [server.url] } },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  },
};

export const BUS_KINDS: readonly BusKind[] = [EMBEDDED, NATS];
