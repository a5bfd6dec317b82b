import { afterEach, expect, test } from 'vitest';
import { headers, jetstream, type Msg, type MsgHdrs } from '../../../host/bus/nats/client.ts';
import type { Event } from '../../../host/event/event.ts';
import { eventBounds } from '../../../host/event/json-bounds.ts';
import type { EnvName } from '../../../host/event/names.ts';
import { DEFAULT_LIMITS } from '../../../host/limits.ts';
import { ACME, Collector, message, ORDER, runOf } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

const EVENT: Event = {
  id: 'order-1',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: 1_700_000_000_000,
  payload: { total: 99.5 },
  metadata: { trace_id: '0af7651916cd43dd8448eb211c80319c', correlation_id: 'order-1', hops: 0 },
};

async function letters(bus: Awaited<ReturnType<NatsRoom['open']>>) {
  return (await bus.deadLetters.list({ order: 'oldest', limit: 100 })).items;
}

describeNats('clients that are no hosts', () => {
  test('they see exactly the subjects and texts of the contract, with CloudEvents headers and the trace', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const client = await room.client();
    const heard: Msg[] = [];
    for (const subject of [`greentic.events.${env}.>`, `greentic.dlq.${env}.>`])
      client.subscribe(subject, { callback: (_error, one) => void heard.push(one) });
    await client.flush();
    const json = JSON.stringify({ ...EVENT, id: 'with "quotes" and ü' });
    const collector = await Collector.start(bus, ACME);
    await bus.publish(ACME, [{ id: 'with "quotes" and ü', type: ORDER, json }, message('two')]);
    await collector.until(2);
    await collector.ack(collector.at(0), [runOf('run-1')]);
    await collector.dead(collector.at(1), 'no');
    await expect.poll(() => heard.length).toBe(4);
    expect(heard.map((one) => [one.subject, one.string()])).toEqual([
      [`greentic.events.${env}.acme.order.created`, json],
      [`greentic.events.${env}.acme.order.created`, '{"id":"two"}'],
      [`greentic.events.${env}.acme.order.created.result`, '{"run_id":"run-1","status":"ok"}'],
      [
        `greentic.dlq.${env}.acme.order.created`,
        '{"event":{"id":"two"},"reason":"no","attempts":1,"runs":[]}',
      ],
    ]);
    const named = (name: string) => heard[0]?.headers?.get(name);
    expect(named('ce-specversion')).toBe('1.0');
    expect(named('ce-id')).toBe('with%20%22quotes%22%20and%20%C3%BC');
    expect(named('ce-type')).toBe('order.created');
    expect(named('ce-source')).toBe('events-webhook');
    expect(named('ce-time')).toBe('2023-11-14T22:13:20.000Z');
    expect(named('content-type')).toBe('application/json');
    expect(named('traceparent')).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  });

  test('what one publishes on an event subject is delivered like any other event, with no provider or flow as its source', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const heard: string[] = [];
    bus.tap((tapped) => heard.push(...tapped.map(({ kind, json }) => `${kind} ${JSON.parse(json).id}`)));
    const collector = await Collector.start(bus, ACME);
    const client = await room.client();
    client.publish(`greentic.events.${env}.acme.order.created`, JSON.stringify(EVENT));
    await collector.until(1);
    const { json, ...delivery } = collector.at(0);
    expect(delivery).toMatchObject({ id: 'order-1', type: 'order.created', attempt: 1, redelivered: false });
    // That it is of a provider is not believed: flows go by the source.
    const source = 'nats:events-webhook';
    const metadata = { correlation_id: 'order-1', hops: 0 };
    expect(JSON.parse(json)).toMatchObject({ ...EVENT, source, metadata });
    expect(heard).toEqual(['event order-1']);
  });

  test('an event of a type that the host keeps for itself is a dead letter, however it is written', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = await Collector.start(bus, ACME);
    const client = await room.client();
    const subject = `greentic.events.${env}.acme.host.dead_letter`;
    client.publish(subject, JSON.stringify({ id: 'one', payload: 1 }));
    const cloudEvent = headers();
    for (const [name, value] of Object.entries({ id: 'two', type: 'host.dead_letter', source: 'x' }))
      cloudEvent.set(`ce-${name}`, value);
    cloudEvent.set('ce-specversion', '1.0');
    client.publish(subject, '1', { headers: cloudEvent });
    client.publish(`greentic.events.${env}.acme.order.created`, JSON.stringify({ id: 'after', payload: 1 }));
    await collector.until(1);
    expect(collector.at(0)).toMatchObject({ id: 'after' });
    await expect.poll(() => letters(bus)).toHaveLength(2);
    for (const letter of await letters(bus))
      expect(letter.reason).toContain('"host.dead_letter" is the host\'s own');
  });

  test('B4 without an id the host names it, the same at each delivery and by every host, and nobody can guess it', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = await Collector.start(bus, ACME);
    const client = await room.client();
    client.publish(`greentic.events.${env}.acme.order.created`, '{"payload":1}');
    await collector.until(1);
    await collector.nak(collector.at(0), 0);
    await collector.until(2);
    await bus.close();
    const other = await Collector.start(await room.open(env), ACME);
    await other.until(1);
    const [id = ''] = collector.ids;
    expect([...collector.ids, ...other.ids]).toEqual([id, id, id]);
    expect(id).toMatch(/^nats-[\w-]{22}$/);
    // The same place in another env, whose hosts have another key.
    const elsewhere = room.env();
    const another = await Collector.start(await room.open(elsewhere), ACME);
    client.publish(`greentic.events.${elsewhere}.acme.order.created`, '{"payload":1}');
    await another.until(1);
    expect(another.ids).not.toEqual([id]);
  });

  test('past the rate of its tenant waits on the bus, is lost to nobody, and is heard of once', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const heard: string[] = [];
    bus.tap((tapped) => heard.push(...tapped.map(({ json }) => JSON.parse(json).id)));
    let may = 2;
    const admit = () => {
      may -= 1;
      return may < 0 ? 100 : 0;
    };
    const collector = new Collector();
    const bounds = eventBounds(DEFAULT_LIMITS);
    await collector.consume(bus, ACME, { maxInFlight: 100, outside: { bounds, admit } });
    const client = await room.client();
    for (const id of ['a', 'b', 'c', 'd', 'e'])
      client.publish(`greentic.events.${env}.acme.order.created`, JSON.stringify({ id, payload: 1 }));
    await bus.publish(ACME, [message('of a host')]);
    await collector.until(3);
    expect(collector.ids.toSorted()).toEqual(['a', 'b', 'of a host']);
    may = 1;
    await collector.until(4);
    await expect.poll(() => may).toBeLessThan(0);
    expect(collector.ids).toHaveLength(4);
    may = 100;
    await collector.until(6);
    expect(collector.ids.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'of a host']);
    // Once each was delivered it has paid, however often it is delivered again.
    may = 0;
    await collector.nak(collector.at(5), 0);
    await collector.until(7);
    expect(heard.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'of a host']);
  });

  test('that breaks a bound of its tenant is a dead letter, and one that keeps to it is not', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = new Collector();
    const bounds = { maxBytes: 200, maxDepth: 4, maxElements: 20 };
    await collector.consume(bus, ACME, { maxInFlight: 100, outside: { bounds, admit: () => 0 } });
    const client = await room.client();
    const publish = (id: string, payload: unknown) =>
      client.publish(`greentic.events.${env}.acme.order.created`, JSON.stringify({ id, payload }));
    publish('long', 'x'.repeat(200));
    publish('deep', [[[[1]]]]);
    publish(
      'many',
      Array.from({ length: 20 }, () => 1),
    );
    publish('fine', 1);
    await collector.until(1);
    expect(collector.ids).toEqual(['fine']);
    await expect.poll(() => letters(bus)).toHaveLength(3);
    for (const { reason } of await letters(bus)) expect(reason).toMatch(/\b(?:200|4|20)\b/);
  });

  test.each([
    [
      'structured',
      { 'content-type': 'application/cloudevents+json' },
      { specversion: '1.0', id: 'x', source: '/shop', type: 'order.created', data: { total: 1 } },
    ],
    [
      'binary',
      { 'ce-specversion': '1.0', 'ce-id': 'x', 'ce-source': '/shop', 'ce-type': 'order.created' },
      { total: 1 },
    ],
  ])('a CloudEvent in %s mode is taken', async (_mode, named, body) => {
    const env = room.env();
    const bus = await room.open(env);
    const collector = await Collector.start(bus, ACME);
    const client = await room.client();
    client.publish(`greentic.events.${env}.acme.order.created`, JSON.stringify(body), {
      headers: headersOf(named),
    });
    await collector.until(1);
    expect(JSON.parse(collector.at(0).json)).toMatchObject({
      event_type: 'order.created',
      source: 'nats',
      payload: { total: 1 },
      metadata: { cloudevent: { id: 'x', source: '/shop', type: 'order.created' } },
    });
  });

  const event = (more: object) => JSON.stringify({ ...EVENT, ...more });
  test.each([
    ['no JSON', 'order.created', '{"id"', /JSON/],
    ['no UTF-8', 'order.created', Uint8Array.of(0xff, 0xfe), /UTF-8/],
    ['a list', 'order.created', '[]', /JSON object/],
    ['null', 'order.created', 'null', /JSON object/],
    ['half a surrogate pair as its source', 'order.created', event({ source: '\ud800' }), /source/],
    ['an unknown key', 'order.created', event({ extra: 1 }), /extra/],
    [
      'another type than its subject says',
      'order.created',
      event({ event_type: 'order.paid' }),
      /order\.paid/,
    ],
    ['a type of upper-case letters', 'Order.Created', event({}), /Order/],
    ['an id with a line break', 'order.created', event({ id: 'a\nb' }), /id/],
    ['a number of hops that it cannot know', 'order.created', event({ metadata: 7 }), /metadata/],
    ['too deep', 'order.created', `{"payload":${'['.repeat(100)}${']'.repeat(100)}}`, /deep/],
    ['too large', 'order.created', event({ payload: 'x'.repeat(300 * 1024) }), /bytes/],
  ])(
    'a message that holds no event is buried once with its reason, and stops nothing: %s',
    async (_what, type, body, reason) => {
      const env = room.env();
      const bus = await room.open(env);
      const collector = await Collector.start(bus, ACME);
      const client = await room.client();
      client.publish(`greentic.events.${env}.acme.${type}`, body);
      await client.flush();
      await bus.publish(ACME, [message('sound')]);
      await collector.until(1);
      expect(collector.ids).toEqual(['sound']);
      await expect.poll(() => letters(bus)).toHaveLength(1);
      const [letter] = await letters(bus);
      expect(letter).toMatchObject({ id: expect.stringMatching(/^nats-[\w-]{22}$/), attempts: 1, runs: [] });
      expect(letter?.reason).toMatch(reason);
      expect((await bus.counts()).get(ACME)?.deadLetters).toBe(1);
      // It is still no event when it is replayed.
      if (letter !== undefined) await bus.deadLetters.replay(letter, { fromStart: false });
      await expect.poll(async () => (await letters(bus)).map(({ position }) => position)).toEqual([3]);
    },
  );

  test('B4 nobody who guesses ids keeps an event out, and claims of other tenants mean nothing', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const client = await room.client();
    const js = jetstream(client);
    // Everything that is known of an event, as message ids, beforehand and of another tenant.
    for (const msgID of ['one', 'acme one', 'acme.one'])
      await js.publish(`greentic.events.${env}.globex.order.created`, event({ id: 'one' }), { msgID });
    expect(await bus.publish(ACME, [message('one')])).toEqual([{ id: 'one', duplicate: false }]);
    const collector = await Collector.start(bus, ACME);
    await collector.until(1);
    expect(collector.ids).toEqual(['one']);
  });

  test('what only hosts may say is believed of nobody else: a copied seal fits no other text, tenant or schedule', async () => {
    const env = room.env();
    const bus = await room.open(env);
    const client = await room.client();
    const copied = await copyOf(bus, client, env);
    for (const [name, value] of [
      ['ce-id', 'other'],
      ['Gtpack-Schedule', 'flow:other/0'],
      ['Gtpack-Replay', '1 on'],
    ]) {
      const forged = headersOf(copied.headers);
      forged.set(name ?? '', value ?? '');
      // Without the CloudEvents headers, which would make a CloudEvent of it.
      forged.delete('ce-specversion');
      forged.delete('Nats-Msg-Id');
      client.publish(copied.subject, event({ id: `forged-${name}` }), { headers: forged });
    }
    const collector = await Collector.start(bus, ACME);
    await collector.until(4);
    expect(collector.deliveries.map(({ id, schedule, redelivered }) => [id, schedule, redelivered])).toEqual([
      ['tick', 'flow:nightly/0', false],
      ['forged-ce-id', undefined, false],
      ['forged-Gtpack-Schedule', undefined, false],
      ['forged-Gtpack-Replay', undefined, false],
    ]);
  });
});

async function copyOf(
  bus: Awaited<ReturnType<NatsRoom['open']>>,
  client: Awaited<ReturnType<NatsRoom['client']>>,
  env: EnvName,
) {
  const heard = Promise.withResolvers<Msg>();
  client.subscribe(`greentic.events.${env}.>`, { max: 1, callback: (_error, one) => heard.resolve(one) });
  await client.flush();
  await bus.publish(ACME, [{ ...message('tick'), schedule: 'flow:nightly/0' }]);
  const { subject, headers: found } = await heard.promise;
  expect(found?.get('Gtpack-Schedule')).toBe('flow:nightly/0');
  return {
    subject,
    headers: Object.fromEntries((found?.keys() ?? []).map((key) => [key, found?.get(key) ?? ''])),
  };
}

function headersOf(named: Readonly<Record<string, string>>): MsgHdrs {
  const made = headers();
  for (const [name, value] of Object.entries(named)) made.set(name, value);
  return made;
}
