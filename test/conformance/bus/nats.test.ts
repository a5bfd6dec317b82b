import { afterAll, beforeAll } from 'vitest';
import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { parseEnvName } from '../../../host/event/names.ts';
import { NatsServer } from '../../nats/server.ts';
import { ManualTime } from './manual-time.ts';
import { busConformance } from './suite.ts';

let server: NatsServer;
let envs = 0;

beforeAll(async () => {
  server = await NatsServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

busConformance('nats', async () => {
  // An env for each test: nothing of one is seen in another.
  envs += 1;
  const env = parseEnvName(`test-${envs}`);
  const scheduler = new ManualTime();
  const windowMs = 60 * 60 * 1000;
  return {
    windowMs,
    open: () =>
      NatsBus.open({
        servers: [server.url],
        credentials: { kind: 'none' },
        tls: null,
        env,
        instance: 'test',
        replicas: 1,
        dedupeWindowMs: windowMs,
        ackWaitMs: 2000,
        lookMs: 500,
        scheduler,
      }),
    advance: (ms) => scheduler.advance(ms),
    dispose: async () => undefined,
  };
});
