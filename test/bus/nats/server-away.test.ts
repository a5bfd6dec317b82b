import { afterEach, expect, test } from 'vitest';
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '../../../host/bus/nats/client.ts';
import { ACME, Collector, message, messages, runOf } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';
import { TcpProxy } from '../../nats/proxy.ts';

const room = NatsRoom.use();
const proxies: TcpProxy[] = [];

afterEach(async () => {
  for (const proxy of proxies) proxy.heal();
  await room.closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

describeNats('while the server is away', () => {
  test('B1 nothing is taken and nobody waits; when it is back all goes on by itself, and nothing is lost', async () => {
    const bus = await room.open(room.env());
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, messages(3));
    await collector.until(3);
    await room.server.stop('SIGKILL');
    await expect.poll(() => bus.connection.isReady).toBe(false);
    for (const refused of [bus.publish(ACME, [message('lost')]), bus.journals(['run']), bus.counts()])
      await expect(refused).rejects.toMatchObject({ code: 'bus_unavailable', status: 503 });
    // What is finished meanwhile is settled later.
    const settling = collector.ack(collector.at(0), [runOf('run-0')]);
    await room.server.restart();
    await settling;
    const again = () => bus.publish(ACME, [message('back')]).catch(() => null);
    await expect.poll(again).toEqual([expect.objectContaining({ id: 'back' })]);
    await collector.until(4);
    await Promise.all(
      collector.deliveries.slice(1).map((delivery) => collector.ack(delivery, [runOf(delivery.id)])),
    );
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    expect(collector.ids).toEqual(['event-0', 'event-1', 'event-2', 'back']);
    expect((await bus.runs.get('run-0'))?.status).toBe('ok');
  });

  test('B1 an answer that does not come in time is no receipt, and closing ends all the same', async () => {
    const proxy = await TcpProxy.to(room.server.port);
    proxies.push(proxy);
    const bus = await room.open(room.env(), { servers: [proxy.url], requestTimeoutMs: 300 });
    await Collector.start(bus, ACME);
    proxy.silence();
    await expect(bus.publish(ACME, [message('silent')])).rejects.toMatchObject({ code: 'bus_unavailable' });
    await bus.close();
    await expect(bus.publish(ACME, [message('closed')])).rejects.toMatchObject({ code: 'bus_unavailable' });
  });

  test('a server that is not there at the start is named, with where it was looked for', async () => {
    const opening = room.open(room.env(), { servers: ['127.0.0.1:1'] });
    await expect(opening).rejects.toMatchObject({ code: 'bus_unreachable' });
    await expect(opening).rejects.toThrow('127.0.0.1:1');
  });
});

describeNats('streams and consumers that are there already', () => {
  test('are adopted, and what a server lets be changed is changed', async () => {
    const env = room.env();
    const bus = await room.open(env);
    await (await Collector.start(bus, ACME)).consumer.stop();
    await bus.publish(ACME, [message('kept')]);
    await bus.close();
    const again = await room.open(env, { retentionMs: 30 * 86_400_000, ackWaitMs: 4000 });
    const collector = await Collector.start(again, ACME);
    await collector.until(1);
    const { manager } = again.connection;
    const { config } = await manager.streams.info(`greentic-events-${env}`);
    expect(config.max_age).toBe(30 * 86_400_000 * 1_000_000);
    const consumer = await manager.consumers.info(`greentic-events-${env}`, 'host-acme');
    expect(consumer.config.ack_wait).toBe(4000 * 1_000_000);
  });

  test('are refused with the field, what is there and what was wanted, where a server changes it not', async () => {
    const env = room.env();
    const manager = await jetstreamManager(await room.client());
    const name = `greentic-events-${env}`;
    await manager.streams.add({
      ...{ name, subjects: [`greentic.events.${env}.>`], storage: StorageType.Memory },
    });
    await expect(room.open(env)).rejects.toThrow(/greentic-events-.* storage "memory".* needs "file"/);
    await manager.streams.delete(name);
    await manager.streams.add({
      ...{ name, subjects: [`greentic.events.${env}.>`], retention: RetentionPolicy.Workqueue },
    });
    await expect(room.open(env)).rejects.toMatchObject({ code: 'bus_mismatch' });
    await manager.streams.delete(name);
    const bus = await room.open(env);
    await manager.consumers.add(name, { durable_name: 'host-acme', ack_policy: AckPolicy.None });
    await expect(Collector.start(bus, ACME)).rejects.toThrow(/host-acme .* has .*; this host needs/);
  });

  test('a consumer that an operator deleted is made again, and nothing that was finished is done again', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = await Collector.start(bus, ACME);
    collector.onDelivery = (delivery) => void collector.ack(delivery, [runOf(delivery.id)]);
    await bus.publish(ACME, messages(3));
    await collector.until(3);
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    await bus.connection.manager.consumers.delete(`greentic-events-${env}`, 'host-acme');
    await bus.publish(ACME, [message('after')]);
    await collector.until(4);
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    expect(collector.ids).toEqual(['event-0', 'event-1', 'event-2', 'after']);
    expect(bus.openPulls).toBeLessThanOrEqual(1);
  });

  test('and a run that was parked is not parked once more, which may have gone on since', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const parked: string[] = [];
    bus.parked = { count: async () => 0, park: async (_tenant, { id }) => void parked.push(id) };
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, [message('waits')]);
    await collector.until(1);
    const run = { id: 'run.1', dueAt: 5, runId: 'run', state: '{}' };
    const parking = { runs: [run], max: 10, delayMs: 60_000 };
    await collector.consumer.settle({ kind: 'ack', delivery: collector.at(0), runs: [], parking });
    await bus.connection.manager.consumers.delete(`greentic-events-${env}`, 'host-acme');
    await bus.publish(ACME, [message('after')]);
    await collector.until(2);
    await collector.ack(collector.at(1));
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    expect(parked).toEqual(['run.1']);
    expect(collector.ids).toEqual(['waits', 'after']);
  });

  test('and neither is what was finished before the window of its id was over', async () => {
    const env = room.env();
    const bus = await room.open(env, { dedupeWindowMs: 1000 });
    const { streams, consumers } = bus.connection.manager;
    const collector = await Collector.start(bus, ACME);
    collector.onDelivery = (delivery) => void collector.ack(delivery, [runOf(delivery.id)]);
    await bus.publish(ACME, messages(3));
    await collector.until(3);
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    const claims = async () => (await streams.info(`greentic-claims-${env}`)).state.messages;
    await expect.poll(claims, { timeout: 20_000 }).toBe(0);
    await consumers.delete(`greentic-events-${env}`, 'host-acme');
    await bus.publish(ACME, [message('after')]);
    await collector.until(4);
    await expect.poll(async () => (await bus.counts()).get(ACME)?.pending).toBe(0);
    expect(collector.ids.toSorted()).toEqual(['after', 'event-0', 'event-1', 'event-2']);
  });
});
