import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { SYSTEM_SCHEDULER } from '../../../host/bus/embedded/scheduler.ts';
import { KeptSchedules } from '../../../host/bus/nats/kept-schedules.ts';
import { KeptStream } from '../../../host/bus/nats/kept-stream.ts';
import { NatsBus } from '../../../host/bus/nats/nats.ts';
import { parseEnvName } from '../../../host/event/names.ts';
import { NatsServer } from '../../nats/server.ts';
import { schedulesConformance } from './schedules.ts';

let server: NatsServer;
let envs = 0;

beforeAll(async () => {
  server = await NatsServer.start();
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

schedulesConformance('nats', async () => {
  // An env for each test: nothing of one is seen in another.
  envs += 1;
  const dedupeWindowMs = 3_600_000;
  const settings = {
    ...{ servers: [server.url], tls: null, env: parseEnvName(`schedules-${envs}`), instance: 'test' },
    ...{ credentials: { kind: 'none' } as const, replicas: 1 as const, dedupeWindowMs },
    ...{ ackWaitMs: 2000, lookMs: 500 },
  };
  const open = async () => {
    const nats = await NatsBus.open(settings);
    const schedules = new KeptSchedules({
      stream: new KeptStream(nats.connection),
      scheduler: SYSTEM_SCHEDULER,
      dedupeWindowMs,
      publish: (tenant, messages) => nats.publish(tenant, messages),
      isEnded: (tenant, id) => nats.isEnded(tenant, id),
      watchEnds: (listener) => nats.watchEnds(listener),
    });
    return { nats, schedules };
  };
  let opened = await open();
  onTestFinished(() => opened.nats.close());
  return {
    bus: () => ({
      schedules: opened.schedules,
      consume: (tenant, options) => opened.nats.consume(tenant, options),
    }),
    reopen: async () => {
      await opened.nats.close();
      opened = await open();
    },
  };
});
