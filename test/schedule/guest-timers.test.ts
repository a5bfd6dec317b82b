import { describe, expect, onTestFinished, test } from 'vitest';
import type { EventMessage } from '../../host/bus/bus.ts';
import type { Owner } from '../../host/bus/owner.ts';
import type {
  StoredTimer,
  Timer,
  TimerPage,
  TimerQueue,
  TimerStore,
  WaitingTimers,
} from '../../host/bus/timers.ts';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { MAX_TIMESTAMP } from '../../host/event/normalize.ts';
import type { TimersGrant } from '../../host/grant/timers-grant.ts';
import { GuestTimers, timerEventId } from '../../host/schedule/schedule.ts';
import { HandClock } from './hand-clock.ts';

const START = '2026-01-01T00:00:00Z';
const T0 = Date.parse(START);
const DUE = parseEventType('reminder.due');
const alpha = parseTenantId('alpha');
const orders: Owner = { tenant: alpha, source: 'orders' };
const mail: Owner = { tenant: alpha, source: 'mail' };
const theirs: Owner = { tenant: parseTenantId('beta'), source: 'orders' };
const GRANT: TimersGrant = { events: ['reminder.*'], maxTimers: 10_000, minIntervalMs: 1000 };

/** A store in memory that keeps its interface's word. */
class MemoryTimers implements TimerStore {
  readonly rows: (Owner & StoredTimer)[] = [];
  readonly fired: (EventMessage & { readonly of: string })[] = [];
  /** Calls of `due`, in order. */
  readonly asked: string[] = [];
  /** Awaited before anything is answered. */
  gate: Promise<void> = Promise.resolve();
  /** Awaited by `fire` alone. */
  fireGate: Promise<void> = Promise.resolve();
  failures = 0;
  #revision = 0;
  readonly #listeners = new Set<(queue: TimerQueue, dueAt: number) => void>();

  async set(owner: Owner, timer: Timer): Promise<boolean> {
    await this.clear(owner, timer.id);
    this.#revision += 1;
    this.rows.push({ ...owner, ...timer, revision: this.#revision });
    for (const listener of this.#listeners) listener({ ...owner, type: timer.type }, timer.dueAt);
    return true;
  }

  async clear({ tenant, source }: Owner, id: string): Promise<boolean> {
    const at = this.rows.findIndex((row) => row.tenant === tenant && row.source === source && row.id === id);
    if (at >= 0) this.rows.splice(at, 1);
    return at >= 0;
  }

  async get({ tenant, source }: Owner, id: string): Promise<StoredTimer | null> {
    return this.rows.find((row) => row.tenant === tenant && row.source === source && row.id === id) ?? null;
  }

  async list(): Promise<TimerPage> {
    return { timers: [], next: null };
  }

  async queues(): Promise<WaitingTimers[]> {
    const queues = new Map<string, WaitingTimers>();
    for (const { tenant, source, type, dueAt } of this.rows) {
      const key = `${tenant} ${source} ${type}`;
      const { count = 0, nextDueAt = dueAt } = queues.get(key) ?? {};
      queues.set(key, { tenant, source, type, count: count + 1, nextDueAt: Math.min(dueAt, nextDueAt) });
    }
    return [...queues.values()];
  }

  async due({ tenant, source, type }: TimerQueue, now: number, limit: number) {
    this.asked.push(`${tenant}/${source}`);
    await this.gate;
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('out of order');
    }
    const all = this.rows
      .filter((row) => row.tenant === tenant && row.source === source && row.type === type)
      .sort((a, b) => a.dueAt - b.dueAt);
    const timers = all.filter(({ dueAt }) => dueAt <= now).slice(0, limit);
    return { timers, nextDueAt: all[timers.length]?.dueAt ?? null };
  }

  async fire(
    { tenant, source }: Owner,
    { revision, dueAt }: StoredTimer,
    event: EventMessage,
    nextDueAt: number | null,
  ) {
    await this.gate;
    await this.fireGate;
    const at = this.rows.findIndex((row) => row.revision === revision && row.dueAt === dueAt);
    const row = this.rows[at];
    if (row === undefined) return false;
    if (nextDueAt === null) this.rows.splice(at, 1);
    else this.rows[at] = { ...row, dueAt: nextDueAt };
    this.fired.push({ ...event, of: `${tenant}/${source}` });
    return true;
  }

  watch(listener: (queue: TimerQueue, dueAt: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get watchers(): number {
    return this.#listeners.size;
  }
}

function timer(id: string, dueAt: number, more: Partial<Timer> = {}): Timer {
  return { id, dueAt, everyMs: null, type: DUE, payload: `"${id}"`, metadata: '{"hops":0}', ...more };
}

/** Lets everything that is resolved go on. */
const quiet = () => new Promise<void>((resolve) => setImmediate(resolve));

async function start(store: MemoryTimers, { grant = GRANT as TimersGrant | null, at = START } = {}) {
  const clock = new HandClock(at);
  const held: WaitingTimers[] = [];
  const faults: string[] = [];
  let traces = 0;
  const timers = await GuestTimers.start({
    store,
    clock,
    grantOf: (_, source) => (source === 'gone' ? null : grant),
    newTraceId: () => {
      traces += 1;
      return String(traces).padStart(32, '0');
    },
    onHeld: (waiting) => held.push(waiting),
    onFault: ({ source }, message) => faults.push(`${source}: ${message}`),
  });
  onTestFinished(() => timers.stop());
  /** Moves the clock in steps, so that what is asynchronous keeps up. */
  const runTo = async (instant: number, stepMs = 1000) => {
    for (let now = clock.now(); now < instant; ) {
      now = Math.min(instant, now + stepMs);
      clock.runTo(new Date(now).toISOString());
      await quiet();
    }
  };
  return { timers, clock, held, faults, runTo };
}

const events = ({ fired }: MemoryTimers) => fired.map(({ json }) => JSON.parse(json));

describe('a timer', () => {
  test('fires at its instant, once', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    await store.set(orders, timer('t', T0 + 5000));
    await runTo(T0 + 4999);
    expect(store.fired).toEqual([]);
    await runTo(T0 + 5000);
    expect(events(store)).toEqual([
      {
        id: timerEventId(orders, 't', T0 + 5000),
        event_type: 'reminder.due',
        source: 'orders',
        timestamp: T0 + 5000,
        payload: 't',
        metadata: {
          trace_id: '00000000000000000000000000000001',
          correlation_id: timerEventId(orders, 't', T0 + 5000),
          hops: 0,
        },
      },
    ]);
    await runTo(T0 + 60_000);
    expect(store.fired).toHaveLength(1);
    expect(store.rows).toEqual([]);
  });

  test('that repeats fires at each instant, with an id and a trace of its own', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    await store.set(orders, timer('t', T0 + 1000, { everyMs: 2000 }));
    await runTo(T0 + 5500, 500);
    const [first, second, third] = events(store);
    expect(store.fired).toHaveLength(3);
    expect([first, second, third].map(({ timestamp }) => timestamp - T0)).toEqual([1000, 3000, 5000]);
    expect(new Set([first.id, second.id, third.id]).size).toBe(3);
    expect(third.id).toBe(timerEventId(orders, 't', T0 + 5000));
    expect(third.metadata.correlation_id).toBe(third.id);
    expect(third.metadata.trace_id).not.toBe(first.metadata.trace_id);
  });

  test('that was set while an event was handled carries on its chain', async () => {
    const store = new MemoryTimers();
    const metadata = '{"trace_id":"ab","correlation_id":"cd","hops":3,"causation_id":"ef","mine":[1]}';
    await store.set(orders, timer('t', T0, { metadata }));
    const { runTo } = await start(store);
    await runTo(T0 + 1);
    expect(events(store)[0]?.metadata).toEqual(JSON.parse(metadata));
  });

  test('set again for earlier fires then, set for later does not fire before', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    await store.set(orders, timer('a', T0 + 60_000));
    await store.set(orders, timer('b', T0 + 2000));
    await store.set(orders, timer('a', T0 + 1000));
    await store.set(orders, timer('b', T0 + 5000));
    await runTo(T0 + 1000);
    expect(events(store).map(({ payload }) => payload)).toEqual(['a']);
    await runTo(T0 + 4999);
    expect(store.fired).toHaveLength(1);
    await runTo(T0 + 5000);
    expect(events(store).map(({ payload }) => payload)).toEqual(['a', 'b']);
  });

  test('that was cleared does not fire', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    await store.set(orders, timer('t', T0 + 1000));
    await store.clear(orders, 't');
    await runTo(T0 + 2000);
    expect(store.fired).toEqual([]);
  });

  test('for an instant that has passed fires at once', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    await store.set(orders, timer('t', 0));
    await runTo(T0 + 1);
    expect(events(store)).toMatchObject([{ timestamp: 0 }]);
  });

  test('whose next instant would be past the year 9999 has fired for the last time', async () => {
    const store = new MemoryTimers();
    await store.set(orders, timer('t', T0, { everyMs: MAX_TIMESTAMP }));
    const { runTo } = await start(store);
    await runTo(T0 + 1);
    expect(store.fired).toHaveLength(1);
    expect(store.rows).toEqual([]);
  });
});

describe('after a time without a host', () => {
  test('what came due fires at once; a repeating timer once, and then at its next instant after now', async () => {
    const store = new MemoryTimers();
    await store.set(orders, timer('once', T0 - 100_000));
    await store.set(orders, timer('often', T0 - 100_500, { everyMs: 1000 }));
    const { runTo } = await start(store);
    await runTo(T0 + 1, 1);
    expect(events(store).map(({ payload, timestamp }) => [payload, timestamp - T0])).toEqual([
      ['often', -100_500],
      ['once', -100_000],
    ]);
    expect(store.rows).toMatchObject([{ id: 'often', dueAt: T0 + 500 }]);
    await runTo(T0 + 1600, 100);
    expect(events(store).map(({ timestamp }) => timestamp - T0)).toEqual([-100_500, -100_000, 500, 1500]);
  });

  test('a machine that slept fires when it is awake', async () => {
    const store = new MemoryTimers();
    const { clock } = await start(store);
    await store.set(orders, timer('t', T0 + 3_600_000));
    clock.sleepTo('2026-01-01T05:00:00Z');
    await quiet();
    expect(store.fired).toHaveLength(1);
  });
});

describe('S3 no polling', () => {
  test('one timer is armed, for any number of timers, and the store is asked only when something is due', async () => {
    const store = new MemoryTimers();
    const { clock, runTo } = await start(store);
    expect(clock.timers).toBe(0);
    for (let n = 0; n < 50; n += 1)
      await store.set(n % 2 ? orders : mail, timer(`t${n}`, T0 + 3_600_000 + n));
    expect(clock.timers).toBe(1);
    await runTo(T0 + 3_599_999, 60_000);
    expect(store.asked).toEqual([]);
    await runTo(T0 + 3_600_100, 1);
    expect(store.fired).toHaveLength(50);
    expect(clock.timers).toBe(0);
    expect(Math.max(...clock.delays)).toBeLessThan(2 ** 31);
  });
});

describe('S6 what may not fire', () => {
  test.each<[string, TimersGrant | null]>([
    ['of a provider without a grant', null],
    ['of a type that is not granted any more', { ...GRANT, events: ['other'] }],
  ])('a timer %s is kept, told at the start, and fires once it may again', async (_what, grant) => {
    const store = new MemoryTimers();
    await store.set(orders, timer('t', T0 - 1000));
    await store.set(orders, timer('u', T0 + 1000));
    const without = await start(store, { grant });
    expect(without.held).toEqual([{ ...orders, type: DUE, count: 2, nextDueAt: T0 - 1000 }]);
    await without.runTo(T0 + 5000);
    expect(store.fired).toEqual([]);
    expect(store.asked).toEqual([]);
    await without.timers.stop();
    const again = await start(store, { at: '2026-01-01T00:00:05Z' });
    expect(again.held).toEqual([]);
    await again.runTo(T0 + 5001);
    expect(store.fired).toHaveLength(2);
  });

  test('holds up none of the others', async () => {
    const store = new MemoryTimers();
    await store.set({ ...orders, source: 'gone' }, timer('t', T0 - 1000));
    await store.set(orders, timer('u', T0 - 500));
    const { runTo } = await start(store);
    await runTo(T0 + 1);
    expect(events(store).map(({ payload }) => payload)).toEqual(['u']);
    expect(store.rows).toMatchObject([{ id: 't' }]);
  });

  test('a timer that repeats more often than the grant now allows is slowed down to it', async () => {
    const store = new MemoryTimers();
    await store.set(orders, timer('t', T0 + 1000, { everyMs: 1000 }));
    const { runTo } = await start(store, { grant: { ...GRANT, minIntervalMs: 10_000 } });
    await runTo(T0 + 30_000);
    expect(events(store).map(({ timestamp }) => timestamp - T0)).toEqual([1000, 11_000, 21_000]);
  });
});

describe('many', () => {
  test('timers of one provider take turns with those of the others', async () => {
    const store = new MemoryTimers();
    for (let n = 0; n < 500; n += 1) await store.set(orders, timer(`t${n}`, T0));
    await store.set(theirs, timer('theirs', T0));
    const { runTo } = await start(store);
    await runTo(T0 + 1);
    expect(store.fired).toHaveLength(501);
    expect(store.fired.findIndex(({ of }) => of === 'beta/orders')).toBeLessThan(65);
  });

  test('queues are worked on at most 16 at a time, and all of them in the end', async () => {
    const store = new MemoryTimers();
    for (let n = 0; n < 100; n += 1) await store.set({ ...orders, source: `p${n}` }, timer('t', T0));
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const { clock } = await start(store);
    clock.runTo('2026-01-01T00:00:01Z');
    await quiet();
    expect(store.asked).toHaveLength(16);
    gate.resolve();
    await expect.poll(() => store.fired.length).toBe(100);
  });

  test.each(['gate', 'fireGate'] as const)(
    'what is set while its queue is worked on is not forgotten (%s)',
    async (which) => {
      const store = new MemoryTimers();
      await store.set(orders, timer('first', T0));
      const gate = Promise.withResolvers<void>();
      const { clock, runTo } = await start(store);
      store[which] = gate.promise;
      clock.runTo('2026-01-01T00:00:01Z');
      await quiet();
      await store.set(orders, timer('second', T0 + 3000));
      gate.resolve();
      await runTo(T0 + 3000);
      expect(events(store).map(({ payload }) => payload)).toEqual(['first', 'second']);
    },
  );

  test('any queue may become the first by what is set in it', async () => {
    const store = new MemoryTimers();
    const { runTo } = await start(store);
    for (let n = 0; n < 40; n += 1)
      await store.set({ ...orders, source: `p${n}` }, timer(`p${n}`, T0 + 100_000 + n));
    for (const n of [39, 20, 7, 31])
      await store.set({ ...orders, source: `p${n}` }, timer('early', T0 + 1000 + n));
    await runTo(T0 + 2000, 1);
    expect(store.fired.map(({ of }) => of)).toEqual(['alpha/p7', 'alpha/p20', 'alpha/p31', 'alpha/p39']);
    await runTo(T0 + 101_000, 100);
    expect(store.fired).toHaveLength(44);
  });
});

test('B7 nothing fires once stopping began, and what had begun is waited for', async () => {
  const store = new MemoryTimers();
  await store.set(orders, timer('t', T0));
  await store.set(orders, timer('later', T0 + 10_000));
  const gate = Promise.withResolvers<void>();
  const { timers, clock } = await start(store);
  store.gate = gate.promise;
  clock.runTo('2026-01-01T00:00:01Z');
  await quiet();
  expect(store.asked).toHaveLength(1);
  const stopped = timers.stop();
  gate.resolve();
  await stopped;
  clock.runTo('2026-01-01T01:00:00Z');
  await quiet();
  expect(store.fired).toEqual([]);
  expect(store.rows).toHaveLength(2);
  expect(clock.timers).toBe(0);
  expect(store.watchers).toBe(0);
});

test('a fault of the store is told, and the timer fires later', async () => {
  const store = new MemoryTimers();
  await store.set(orders, timer('t', T0));
  store.failures = 2;
  const { faults, runTo } = await start(store);
  await runTo(T0 + 20_000);
  expect(faults).toEqual(['orders: out of order', 'orders: out of order']);
  expect(store.fired).toHaveLength(1);
});

test('S5 the same instant of the same timer has the same id, and no other tenant, provider, timer or instant has it', () => {
  const ids = [
    timerEventId(orders, 't', 1),
    timerEventId(theirs, 't', 1),
    timerEventId(mail, 't', 1),
    timerEventId(orders, 'u', 1),
    timerEventId(orders, 't', 2),
    timerEventId(orders, '1\nt', 1),
    timerEventId(orders, '\nt', 11),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  expect(timerEventId({ ...orders }, 't', 1)).toBe(ids[0]);
  expect(ids[0]).toMatch(/^timer-[0-9a-f]{32}$/);
});
