import { afterEach, expect, test } from 'vitest';
import type { NatsBus } from '../../../host/bus/nats/nats.ts';
import { parseTenantId, type TenantId } from '../../../host/event/names.ts';
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

async function proxied(): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(room.server.port);
  proxies.push(proxy);
  return proxy;
}

async function results(bus: NatsBus): Promise<string[]> {
  const { connection } = bus;
  const name = `greentic-events-${connection.env}`;
  const { state } = await connection.manager.streams.info(name, {
    subjects_filter: `greentic.events.${connection.env}.*.order.created.result`,
  });
  return Object.entries(state.subjects ?? {}).flatMap(([subject, count]) =>
    Array<string>(count).fill(subject),
  );
}

describeNats('several hosts', () => {
  test('B2 a tenant is served by all of them, each event by one', async () => {
    const env = room.env();
    const [one, two] = [await room.open(env), await room.open(env)];
    const collectors = await Promise.all([one, two].map((bus) => Collector.start(bus, ACME, 5)));
    for (const collector of collectors)
      collector.onDelivery = (delivery) => void collector.ack(delivery, [runOf(delivery.id)]);
    for (let from = 0; from < 40; from += 1) await one.publish(ACME, messages(5, `batch-${from}-`));
    await expect.poll(() => collectors.flatMap(({ ids }) => ids).length).toBe(200);
    expect(new Set(collectors.flatMap(({ ids }) => ids)).size).toBe(200);
    expect(collectors.every(({ ids }) => ids.length > 0)).toBe(true);
    await expect.poll(async () => (await results(one)).length).toBe(200);
  });

  test('B2 an event that is worked on for longer than the server waits is given to nobody else', async () => {
    const env = room.env();
    const bus = await room.open(env, { ackWaitMs: 600 });
    const other = await room.open(env, { ackWaitMs: 600 });
    const client = await room.client();
    let beats = 0;
    client.subscribe('$JS.ACK.>', {
      callback: (_error, ack) => {
        if (ack.string() === '+WPI') beats += 1;
      },
    });
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, [message('long')]);
    await collector.until(1);
    const idle = await Collector.start(other, ACME);
    // Three times as long as the server waits.
    await expect.poll(() => beats).toBeGreaterThanOrEqual(9);
    expect([collector.ids, idle.ids]).toEqual([['long'], []]);
    await collector.ack(collector.at(0), [runOf('run')]);
    await expect.poll(async () => (await other.counts()).get(ACME)?.pending).toBe(0);
  });

  test('B2 B3 what a host had when it died goes to the others, with its journal, and its attempts are not counted', async () => {
    const env = room.env();
    const proxy = await proxied();
    const dying = await room.open(env, { servers: [proxy.url] });
    const first = await Collector.start(dying, ACME);
    await dying.publish(ACME, messages(3));
    await first.until(3);
    await dying.publish(ACME, [], [{ runId: 'run', ordinal: 0, entry: '"done"' }]);
    proxy.cut();
    const heir = await room.open(env);
    const second = await Collector.start(heir, ACME);
    await second.until(3);
    expect(second.deliveries.map(({ attempt, redelivered }) => [attempt, redelivered])).toEqual(
      Array(3).fill([1, true]),
    );
    expect((await heir.journals(['run'])).get('run')).toEqual([
      { runId: 'run', ordinal: 0, entry: '"done"' },
    ]);
  });

  test('B3 a host that lost its event while it was cut off records nothing more of the run, buries nothing and counts nothing', async () => {
    const env = room.env();
    const proxy = await proxied();
    const lost = await room.open(env, { servers: [proxy.url] });
    const first = await Collector.start(lost, ACME);
    await lost.publish(ACME, [message('one')]);
    await first.until(1);
    await lost.publish(ACME, [], [{ runId: 'run', ordinal: 0, entry: '"done"' }]);
    proxy.silence();
    const heir = await room.open(env);
    const second = await Collector.start(heir, ACME);
    await second.until(1);
    expect((await heir.journals(['run'])).get('run')).toHaveLength(1);
    proxy.heal();
    const refused = async () =>
      lost.publish(ACME, [], [{ runId: 'run', ordinal: 1, entry: '"twice"' }]).catch((error) => error.code);
    await expect.poll(refused).toBe('run_taken');
    await heir.publish(ACME, [], [{ runId: 'run', ordinal: 1, entry: '"once"' }]);
    await first.nak(first.at(0), 0);
    expect((await heir.journals(['run'])).get('run')?.map(({ entry }) => entry)).toEqual([
      '"done"',
      '"once"',
    ]);
    await second.ack(second.at(0), [runOf('run')]);
    await expect.poll(async () => (await heir.counts()).get(ACME)?.pending).toBe(0);
    expect(second.ids).toEqual(['one']);
    expect(first.ids).toEqual(['one']);
    expect((await heir.deadLetters.list({ order: 'newest', limit: 9 })).items).toEqual([]);
  });

  test('B5 of two settlements of one event the first holds: there is one result', async () => {
    const env = room.env();
    const proxy = await proxied();
    const lost = await room.open(env, { servers: [proxy.url] });
    const first = await Collector.start(lost, ACME);
    await lost.publish(ACME, [message('one')]);
    await first.until(1);
    proxy.silence();
    const heir = await room.open(env);
    const second = await Collector.start(heir, ACME);
    await second.until(1);
    proxy.heal();
    await Promise.all([first.ack(first.at(0), [runOf('run')]), second.dead(second.at(0), 'no')]);
    await expect.poll(async () => (await heir.counts()).get(ACME)?.pending).toBe(0);
    const { items } = await heir.deadLetters.list({ order: 'newest', limit: 9 });
    expect((await results(heir)).length + items.length).toBe(1);
  });

  test('B5 what a host had settled when it died is finished by the others, and delivered to none', async () => {
    const env = room.env();
    const proxy = await proxied();
    const dying = await room.open(env, { servers: [proxy.url] });
    const first = await Collector.start(dying, ACME);
    await dying.publish(ACME, messages(2));
    await first.until(2);
    const settled = `greentic.host.${env}.settled.acme`;
    const record = {
      tenant: 'acme',
      id: 'event-0',
      type: 'order.created',
      attempts: 1,
      storedAt: 0,
      finishedAt: 1,
    };
    const { connection } = dying;
    await connection.request(
      `${settled}.1`,
      JSON.stringify({ ...record, kind: 'ack', position: 1, runs: [runOf('run-0')] }),
    );
    await connection.request(
      `${settled}.2`,
      JSON.stringify({ ...record, kind: 'dead', id: 'event-1', position: 2, runs: [], reason: 'no' }),
    );
    proxy.cut();
    const heir = await room.open(env);
    const second = await Collector.start(heir, ACME);
    await expect.poll(async () => (await heir.counts()).get(ACME)).toEqual({ pending: 0, deadLetters: 1 });
    expect(second.ids).toEqual([]);
    expect(await results(heir)).toHaveLength(1);
    expect((await heir.runs.get('run-0'))?.status).toBe('ok');
  });

  test('B3 of a replay and a drop at once, by any hosts, one counts, and a replay has its journal', async () => {
    const env = room.env();
    const hosts = [await room.open(env), await room.open(env)] as const;
    const [one] = hosts;
    const collector = await Collector.start(one, ACME);
    const ids = Array.from({ length: 12 }, (_, at) => `event-${at}`);
    const entry = (id: string) => ({ runId: id, ordinal: 0, entry: '"sent"' });
    await one.publish(ACME, messages(ids.length), ids.map(entry));
    await collector.until(ids.length);
    for (const delivery of collector.deliveries)
      await collector.dead(delivery, 'no', [runOf(delivery.id, 'error')]);
    const { items } = await one.deadLetters.list({ order: 'oldest', limit: 100 });
    expect(items).toHaveLength(ids.length);
    const outcomes = await Promise.all(
      items.map(async (letter, at) => {
        // Of the same host, and of two.
        const other = hosts[at % 2] ?? one;
        return Promise.all([
          one.deadLetters.replay(letter, { fromStart: false }),
          other.deadLetters.drop(letter),
        ]);
      }),
    );
    for (const [{ outcome }, isDropped] of outcomes) expect(outcome === 'replayed').toBe(!isDropped);
    const replayed = items.filter((_, at) => outcomes[at]?.[0].outcome === 'replayed').map(({ id }) => id);
    await collector.until(ids.length + replayed.length);
    const journals = await one.journals(ids);
    expect([...journals.keys()].toSorted()).toEqual(replayed.toSorted());
    expect(await one.deadLetters.list({ order: 'oldest', limit: 100 })).toMatchObject({ items: [] });
  });

  test('B4 an id that two hosts publish is delivered once', async () => {
    const env = room.env();
    const [one, two] = [await room.open(env), await room.open(env)];
    const client = await room.client();
    const text = JSON.stringify({ id: 'same', payload: null });
    // Another way in, which sets no message id.
    for (let times = 0; times < 3; times += 1)
      client.publish(`greentic.events.${env}.acme.order.created`, text);
    await client.flush();
    await Promise.all([one, two].map((bus) => bus.publish(ACME, [message('same')])));
    const collectors = [new Collector(), new Collector()];
    for (const collector of collectors) collector.onDelivery = (delivery) => void collector.ack(delivery);
    // One of them may be given it before the other one is there.
    for (const [at, bus] of [one, two].entries())
      await collectors[at]?.consume(bus, ACME, { maxInFlight: 9 });
    await expect.poll(async () => (await one.counts()).get(ACME)?.pending).toBe(0);
    expect(collectors.flatMap(({ ids }) => ids)).toEqual(['same']);
  });

  test('a listener hears what other hosts publish, too', async () => {
    const env = room.env();
    const [one, two] = [await room.open(env), await room.open(env)];
    const heard: string[] = [];
    two.tap((tapped) => heard.push(...tapped.map(({ kind, tenant, json }) => `${kind} ${tenant} ${json}`)));
    await two.connection.nats.flush();
    const collector = await Collector.start(one, ACME);
    await one.publish(ACME, [message('a')]);
    await collector.until(1);
    await collector.ack(collector.at(0), [runOf('r')]);
    await expect
      .poll(() => heard)
      .toEqual(['event acme {"id":"a"}', 'result acme {"run_id":"r","status":"ok"}']);
  });
});

describeNats('many tenants', () => {
  test('B2 a thousand are served with a bounded number of open requests, and idle ones cost none', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const tenants: TenantId[] = Array.from({ length: 1000 }, (_, at) => parseTenantId(`tenant-${at}`));
    let delivered = 0;
    let maxOpen = 0;
    const collectors = await Promise.all(tenants.map((tenant) => Collector.start(bus, tenant)));
    for (const collector of collectors)
      collector.onDelivery = (delivery) => {
        delivered += 1;
        maxOpen = Math.max(maxOpen, bus.openPulls);
        void collector.ack(delivery);
      };
    await Promise.all(tenants.map((tenant) => bus.publish(tenant, messages(2))));
    await expect.poll(() => delivered).toBe(2000);
    expect(maxOpen).toBeLessThanOrEqual(128);
    await expect.poll(() => bus.openPulls).toBe(0);
    expect([...(await bus.counts()).values()].reduce((sum, { pending }) => sum + pending, 0)).toBe(0);
  });
});
