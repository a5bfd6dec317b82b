import { afterAll, beforeAll } from 'vitest';
import { openKept } from '../../../host/bus/nats/kept.ts';
import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { parseEnvName } from '../../../host/event/names.ts';
import { NatsServer } from '../../nats/server.ts';
import { ManualTime } from './manual-time.ts';
import { stateConformance } from './state-suite.ts';
import { timersConformance } from './timers-suite.ts';

let server: NatsServer;
let envs = 0;

beforeAll(async () => {
  server = await NatsServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const start = async () => {
  // An env for each test: nothing of one is seen in another.
  envs += 1;
  const env = parseEnvName(`kept-${envs}`);
  const scheduler = new ManualTime();
  const settings = {
    ...{ servers: [server.url], tls: null, env, instance: 'test', ackWaitMs: 2000, lookMs: 500, scheduler },
    ...{ credentials: { kind: 'none' } as const, replicas: 1 as const, dedupeWindowMs: 3_600_000 },
  };
  return {
    open: async () => {
      const bus = await NatsBus.open(settings);
      const kept = await openKept({
        connection: bus.connection,
        scheduler,
        publish: (tenant, messages) => bus.publish(tenant, messages),
      });
      return {
        state: kept.state,
        timers: kept.timers,
        publish: bus.publish.bind(bus),
        consume: bus.consume.bind(bus),
        tap: bus.tap.bind(bus),
        close: async () => {
          await kept.close();
          await bus.close();
        },
      };
    },
    advance: (ms: number) => scheduler.advance(ms),
    dispose: async () => undefined,
  };
};

stateConformance('nats', start);
timersConformance('nats', start);
