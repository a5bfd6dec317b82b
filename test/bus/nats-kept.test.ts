import { expect, onTestFinished, test } from 'vitest';
import type { EventMessage } from '../../host/bus/bus.ts';
import { SYSTEM_SCHEDULER } from '../../host/bus/embedded/scheduler.ts';
import { Connection } from '../../host/bus/nats/connection.ts';
import { type Kept, openKept } from '../../host/bus/nats/kept.ts';
import { KeptStream } from '../../host/bus/nats/kept-stream.ts';
import { Layout } from '../../host/bus/nats/layout.ts';
import { ledgerText, NOTHING, readLedger } from '../../host/bus/nats/ledger-record.ts';
import { openStreams } from '../../host/bus/nats/streams.ts';
import type { Owner } from '../../host/bus/owner.ts';
import type { StateQuota } from '../../host/bus/state.ts';
import type { StoredTimer, Timer } from '../../host/bus/timers.ts';
import { type EnvName, parseEventType } from '../../host/event/names.ts';
import { ACME } from '../conformance/bus/collector.ts';
import { describeNats, NatsRoom } from '../nats/fixture.ts';

const orders: Owner = { tenant: ACME, source: 'orders' };
const ROOMY: StateQuota = { maxKeys: 1000, maxBytes: 1024 * 1024, maxValueBytes: 64 * 1024 };
const type = parseEventType('reminder.due');
const queue = { ...orders, type };

const room = NatsRoom.use();

interface Host extends Kept {
  readonly connection: Connection;
  readonly stream: KeptStream;
  readonly published: string[];
}

/** A host of the env, without the rest of its bus; its events are only noted. */
async function startHost(
  env: EnvName,
  onPublish: () => Promise<void> = async () => undefined,
): Promise<Host> {
  const connection = await Connection.open({
    ...{ servers: [room.server.url], credentials: { kind: 'none' } as const, tls: null, env },
    ...{ instance: 'test', replicas: 1 as const, requestTimeoutMs: 5000 },
  });
  onTestFinished(() => connection.close());
  await openStreams(connection, new Layout(env), {
    ...{ dedupeWindowMs: 3_600_000, retentionMs: 3_600_000, maxBytes: -1 },
  });
  const published: string[] = [];
  const kept = await openKept({
    connection,
    scheduler: SYSTEM_SCHEDULER,
    publish: async (_tenant, messages: readonly EventMessage[]) => {
      published.push(...messages.map(({ id }) => id));
      await onPublish();
    },
  });
  onTestFinished(() => kept.close());
  return { ...kept, connection, stream: new KeptStream(connection), published };
}

const timer = (id: string, dueAt: number, more: Partial<Timer> = {}): Timer => ({
  ...{ id, dueAt, everyMs: null, type, payload: '1', metadata: '{}' },
  ...more,
});

async function firstDue({ timers }: Kept): Promise<StoredTimer> {
  const [due] = (await timers.due(queue, Number.MAX_SAFE_INTEGER, 1)).timers;
  if (due === undefined) throw new Error('A timer was expected.');
  return due;
}

describeNats('several hosts on one NATS', () => {
  test('pass no quota together, and none is counted twice', async () => {
    const env = room.env();
    const hosts = [await startHost(env), await startHost(env), await startHost(env)];
    const quota = { ...ROOMY, maxKeys: 20 };
    const outcomes = await Promise.all(
      Array.from({ length: 90 }, (_, n) => hosts[n % 3]?.state.set(orders, `k${n % 60}`, '1', quota)),
    );
    expect(new Set(outcomes)).toEqual(new Set(['stored', 'maxKeys']));
    const [one] = hosts;
    let there = 0;
    for (let n = 0; n < 60; n += 1) if ((await one?.state.get(orders, `k${n}`)) !== null) there += 1;
    expect(there).toBe(20);
    // Deleted by all at once, and exactly as much room as before.
    await Promise.all(
      Array.from({ length: 180 }, (_, n) => hosts[n % 3]?.state.delete(orders, `k${n % 60}`)),
    );
    const again = await Promise.all(
      Array.from({ length: 30 }, (_, n) => hosts[n % 3]?.state.set(orders, `n${n}`, '1', quota)),
    );
    expect(again.filter((outcome) => outcome === 'stored')).toHaveLength(20);
  });

  test('count up one value under a demand, and lose none', async () => {
    const env = room.env();
    const hosts = [await startHost(env), await startHost(env)];
    const countUp = async ({ state }: Kept): Promise<void> => {
      for (;;) {
        const there = await state.get(orders, 'n');
        const next = String(Number(there?.json ?? '0') + 1);
        const outcome = await state.set(orders, 'n', next, ROOMY, { ifRevision: there?.revision ?? null });
        if (outcome === 'stored') return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, () => hosts.map(countUp)).flat());
    expect((await hosts[0]?.state.get(orders, 'n'))?.json).toBe('20');
  });

  test('what a host had promised when it died is done by whoever writes next, once', async () => {
    const env = room.env();
    const host = await startHost(env);
    const { stream, state } = host;
    await state.set(orders, 'old', '1', ROOMY);
    const old = await stream.last(stream.value(orders, 'old'));
    const last = await stream.last(stream.ledger(orders));
    if (old === null || last === null) throw new Error('a value and a ledger were expected');
    const { usage } = readLedger(last.text);
    // Another host: its record is stored, and no change is made.
    const body = ledgerText({
      usage: { ...usage, keys: 1, bytes: 8 },
      changes: [
        { subject: stream.value(orders, 'old'), base: old.sequence, body: null },
        { subject: stream.value(orders, 'new'), base: 0, body: '8 \n"a\nb"' },
      ],
    });
    await stream.apply({ subject: stream.ledger(orders), base: last.sequence, body });
    expect(await state.set(orders, 'other', '1', { ...ROOMY, maxKeys: 2 })).toBe('stored');
    expect(await state.get(orders, 'old')).toBeNull();
    expect((await state.get(orders, 'new'))?.json).toBe('"a\nb"');
    expect(await state.set(orders, 'third', '1', { ...ROOMY, maxKeys: 2 })).toBe('maxKeys');
  });

  test('hear of the timers of one another, and forget those that another one cleared', async () => {
    const env = room.env();
    const [one, other] = [await startHost(env), await startHost(env)];
    const heard: number[] = [];
    other.timers.watch((_queue, dueAt) => heard.push(dueAt));
    await one.timers.set(orders, timer('a', 10), 10);
    await one.timers.set(orders, timer('b', 20), 10);
    await expect.poll(() => heard, { timeout: 20_000 }).toEqual([10, 20]);
    expect((await other.timers.due(queue, 15, 10)).timers.map(({ id }) => id)).toEqual(['a']);
    await one.timers.clear(orders, 'a');
    expect(await other.timers.due(queue, 15, 10)).toEqual({ timers: [], nextDueAt: 20 });
    await one.timers.clear(orders, 'b');
    await expect.poll(() => other.timers.queues(), { timeout: 20_000 }).toEqual([]);
    const third = await startHost(env);
    expect(await third.timers.queues()).toEqual([]);
  });

  test('B6 that fire one timer at once publish one id, and one of them moves it on', async () => {
    const env = room.env();
    const both = Promise.withResolvers<void>();
    let firing = 0;
    const meet = async (): Promise<void> => {
      firing += 1;
      if (firing === 2) both.resolve();
      await both.promise;
    };
    const [one, other] = [await startHost(env, meet), await startHost(env, meet)];
    await one.timers.set(orders, timer('t', 10, { everyMs: 1000 }), 10);
    await expect.poll(() => other.timers.queues(), { timeout: 20_000 }).toHaveLength(1);
    const event: EventMessage = { id: 'timer-t-10', type, json: '{}' };
    const fired = await Promise.all(
      [one, other].map(async (host) => host.timers.fire(orders, await firstDue(host), event, 1010)),
    );
    expect(fired.toSorted()).toEqual([false, true]);
    expect([...one.published, ...other.published]).toEqual(['timer-t-10', 'timer-t-10']);
    for (const host of [one, other])
      await expect.poll(async () => (await firstDue(host)).dueAt, { timeout: 20_000 }).toBe(1010);
    // Their bound is as it was: one timer.
    expect(await other.timers.set(orders, timer('u', 10), 1)).toBe(false);
  });

  test('a host that dies between the event and the move leaves the timer to another one', async () => {
    const env = room.env();
    const dying = await startHost(env, () => Promise.reject(new Error('killed')));
    const other = await startHost(env);
    await dying.timers.set(orders, timer('t', 10), 10);
    const event: EventMessage = { id: 'timer-t-10', type, json: '{}' };
    await expect(dying.timers.fire(orders, await firstDue(dying), event, null)).rejects.toThrow('killed');
    await expect.poll(() => other.timers.queues(), { timeout: 20_000 }).toHaveLength(1);
    expect(await other.timers.fire(orders, await firstDue(other), event, null)).toBe(true);
    expect(await other.timers.queues()).toEqual([]);
  });
});

describeNats('on a real server', () => {
  test('while the server is away everything is refused at once, and nothing is said to be stored; then it goes on', async () => {
    const env = room.env();
    const host = await startHost(env);
    await host.state.set(orders, 'k', '1', ROOMY);
    await host.timers.set(orders, timer('t', 10), 10);
    await room.server.stop();
    await expect.poll(() => host.connection.isReady, { timeout: 20_000 }).toBe(false);
    for (const refused of [
      () => host.state.get(orders, 'k'),
      () => host.state.set(orders, 'k', '2', ROOMY),
      () => host.state.delete(orders, 'k'),
      () => host.timers.set(orders, timer('t', 20), 10),
      () => host.timers.clear(orders, 't'),
      () => host.timers.queues(),
      () => host.timers.due(queue, 20, 1),
    ])
      await expect(refused()).rejects.toMatchObject({ code: 'bus_unavailable', retryable: true });
    await room.server.restart();
    await expect.poll(() => host.connection.isReady, { timeout: 20_000 }).toBe(true);
    expect((await host.state.get(orders, 'k'))?.json).toBe('1');
    expect(await firstDue(host)).toMatchObject({ id: 't', dueAt: 10 });
    // What another host sets is heard again.
    const other = await startHost(env);
    await other.timers.set(orders, timer('later', 30), 10);
    await expect.poll(async () => (await host.timers.queues())[0]?.count, { timeout: 20_000 }).toBe(2);
  });
});

test('a ledger reads what it wrote, whatever the texts hold', () => {
  const changes = [
    { subject: 'a', base: 1, body: '"\n\\"{}\u{1f389}' },
    { subject: 'b', base: 2, body: null },
    { subject: 'c', base: 0, body: '' },
    { subject: 'd', base: 0, body: '\n\n' },
  ];
  expect(readLedger(ledgerText({ usage: NOTHING, changes }))).toEqual({ usage: NOTHING, changes });
});
