import { NatsServer } from '../nats/server.ts';
import type { BusUnderTest } from './bus-under-test.ts';

/** A server of its own, which is killed and started again on what it stored. */
export async function natsUnderTest(): Promise<BusUnderTest> {
  const server = await NatsServer.start();
  return {
    section: { kind: 'nats', servers: [server.url] },
    nodeOptions: [],
    prepareEnd: () => Promise.resolve({ now: () => server.stop('SIGKILL'), restore: () => server.restart() }),
    // The vendor tells: what is followed by the next effect was recorded.
    recorded: () => Promise.resolve([]),
    close: () => server[Symbol.asyncDispose](),
  };
}
