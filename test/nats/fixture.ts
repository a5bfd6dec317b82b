import { afterAll, beforeAll, describe } from 'vitest';
import { connect, type NatsConnection } from '../../host/bus/nats/client.ts';
import { NatsBus, type NatsBusOptions } from '../../host/bus/nats/nats.ts';
import { type EnvName, parseEnvName } from '../../host/event/names.ts';
import { NatsServer, natsServerPath } from './server.ts';

/** Tests that need a real server; skipped, and said so in the summary, where there is none. */
export const describeNats = describe.skipIf(natsServerPath() === undefined);

/** One server for a file of tests, and an env for each test that asks for one. */
export class NatsRoom {
  #server: NatsServer | undefined;
  #envs = 0;
  readonly #opened: { close(): Promise<void> }[] = [];

  static use(): NatsRoom {
    const room = new NatsRoom();
    if (natsServerPath() === undefined) return room;
    beforeAll(async () => {
      room.#server = await NatsServer.start();
    });
    afterAll(async () => {
      await room.closeAll();
      await room.#server?.[Symbol.asyncDispose]();
    });
    return room;
  }

  get server(): NatsServer {
    if (this.#server === undefined) throw new Error('The server is not started.');
    return this.#server;
  }

  env(): EnvName {
    this.#envs += 1;
    return parseEnvName(`test-${this.#envs}`);
  }

  async open(env: EnvName, more: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
    const bus = await NatsBus.open({ ...optionsOf(this.server.url, env), ...more });
    this.#opened.push(bus);
    return bus;
  }

  /** A client that is no host. */
  async client(): Promise<NatsConnection> {
    const client = await connect({ servers: this.server.url });
    this.#opened.push(client);
    return client;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((opened) => opened.close()));
  }
}

export function optionsOf(server: string, env: EnvName): NatsBusOptions {
  return {
    servers: [server],
    credentials: { kind: 'none' },
    tls: null,
    env,
    instance: 'test',
    replicas: 1,
    ackWaitMs: 1500,
    lookMs: 300,
    pullWaitMs: 50,
    requestTimeoutMs: 2000,
  };
}
