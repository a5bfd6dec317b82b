import { describe, expect, test } from 'vitest';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import { Quotas } from '../../host/fairness/quotas.ts';
import { TokenBucket } from '../../host/fairness/token-bucket.ts';

const acme = parseTenantId('acme');
const other = parseTenantId('other');

const refusal = (work: () => void): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
};

/** A bus that says what the test lets it, and quotas over it. */
function open(limits: { maxEventsPerSecond?: number; maxBacklog?: number }) {
  const at = { now: 0 };
  const pending = new Map<TenantId, number>();
  let asked = 0;
  const own = { maxEventsPerSecond: 1000, maxBacklog: 1000, ...limits };
  const quotas = new Quotas({
    limits: new Map([
      [acme, own],
      [other, own],
    ]),
    count: async () => {
      asked += 1;
      return new Map([...pending].map(([tenant, count]) => [tenant, { pending: count }]));
    },
    monotonicMs: () => at.now,
  });
  const stored = (count: number, duplicates = 0) =>
    Promise.resolve(Array.from({ length: count }, (_, nth) => ({ duplicate: nth < duplicates })));
  return {
    quotas,
    at,
    pending,
    asked: () => asked,
    /** A request with so many events. */
    request: async (count = 1, duplicates = 0, tenant = acme) => {
      quotas.admit(tenant);
      await quotas.store(tenant, count, () => stored(count, duplicates));
    },
    flow: (count = 1, tenant = acme) => quotas.publish(tenant, count, () => stored(count)),
  };
}

describe('a rate', () => {
  test('lets a burst of a second pass, then as many as the time that has passed makes room for', () => {
    const bucket = new TokenBucket(10, 0);
    for (let nth = 0; nth < 10; nth += 1) expect(bucket.take(1, 0)).toBe(0);
    expect(bucket.take(1, 0)).toBe(100);
    expect(bucket.take(1, 99)).toBe(1);
    expect(bucket.take(1, 100)).toBe(0);
    expect(bucket.take(1, 100)).toBe(100);
    // A pause gains no more than a second's worth.
    for (let nth = 0; nth < 10; nth += 1) expect(bucket.take(1, 60_000)).toBe(0);
    expect(bucket.take(1, 60_000)).toBe(100);
  });

  test('holds for what comes in large pieces: what is too much is owed first', () => {
    const bucket = new TokenBucket(10, 0);
    expect(bucket.take(1000, 0)).toBe(0);
    expect(bucket.take(1, 0)).toBe(99_100);
    expect(bucket.take(1, 99_099)).toBe(1);
    expect(bucket.take(1, 99_100)).toBe(0);
  });

  test('of a tenant counts its requests and what its flows publish, and says when to come back; another tenant has its own', async () => {
    const { quotas, at, request, flow } = open({ maxEventsPerSecond: 4 });
    await request();
    await request(2);
    await flow();
    const error = { code: 'tenant_rate_exceeded', status: 429, retryable: true, retryAfterMs: 250 };
    expect(refusal(() => quotas.admit(acme))).toMatchObject(error);
    await expect(flow()).rejects.toMatchObject(error);
    await request(1, 0, other);
    at.now = 250;
    await request();
    expect(refusal(() => quotas.admit(acme))).toMatchObject(error);
  });

  test('does not touch what publishes nothing: a journal is stored whatever the rate', async () => {
    const { request, flow } = open({ maxEventsPerSecond: 1 });
    await request();
    await expect(flow(0)).resolves.toEqual([]);
  });
});

describe('a backlog', () => {
  test('refuses requests at its bound, with a reason and a time to come back, and takes them again once events are settled', async () => {
    const { quotas, request } = open({ maxBacklog: 3 });
    for (let nth = 0; nth < 3; nth += 1) await request();
    const error = refusal(() => quotas.admit(acme));
    expect(error).toMatchObject({
      code: 'tenant_backlog_full',
      status: 503,
      retryable: true,
      retryAfterMs: 5000,
      message: expect.stringContaining('3 events of tenant acme wait to be processed; 3 may (max_backlog)'),
    });
    await request(1, 0, other);
    quotas.settled(acme);
    await request();
    expect(refusal(() => quotas.admit(acme))).toMatchObject({ code: 'tenant_backlog_full' });
  });

  test('does not count duplicates, nor what could not be stored', async () => {
    const { quotas, request } = open({ maxBacklog: 3 });
    for (let nth = 0; nth < 10; nth += 1) await request(1, 1);
    const broken = () => quotas.store(acme, 1, () => Promise.reject(new Error('full')));
    for (let nth = 0; nth < 10; nth += 1) await expect(broken()).rejects.toThrow('full');
    await request();
  });

  test('lets flows go on up to twice as far, since what waits is done by them', async () => {
    const { request, flow } = open({ maxBacklog: 3 });
    for (let nth = 0; nth < 3; nth += 1) await request();
    for (let nth = 0; nth < 3; nth += 1) await flow();
    await expect(flow()).rejects.toMatchObject({ code: 'tenant_backlog_full', retryable: true });
  });

  test('is asked of a slow bus no more often than a tenth of the time that it takes', async () => {
    let now = 0;
    let asked = 0;
    const quotas = new Quotas({
      limits: new Map([[acme, { maxEventsPerSecond: 1000, maxBacklog: 10 }]]),
      count: async () => {
        asked += 1;
        now += 3000;
        return new Map([[acme, { pending: asked }]]);
      },
      monotonicMs: () => now,
    });
    await quotas.start();
    for (const at of [10_000, 29_999, 30_000, 30_001]) {
      now = Math.max(now, at);
      quotas.admit(acme);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(asked).toBe(2);
  });

  test('counts what waited at the start, and what others store, within a second, and asks no more often than that', async () => {
    const { quotas, at, pending, asked, request } = open({ maxBacklog: 3 });
    pending.set(acme, 3);
    await quotas.start();
    expect(refusal(() => quotas.admit(acme))).toMatchObject({ code: 'tenant_backlog_full' });
    expect(asked()).toBe(1);
    pending.set(acme, 0);
    at.now = 999;
    expect(refusal(() => quotas.admit(acme))).toBeDefined();
    at.now = 1000;
    refusal(() => quotas.admit(acme));
    await expect.poll(asked).toBe(2);
    await request();
    // Another host has stored three.
    pending.set(acme, 4);
    at.now = 2000;
    await request();
    await expect.poll(asked).toBe(3);
    expect(refusal(() => quotas.admit(acme))).toMatchObject({ code: 'tenant_backlog_full' });
  });
});
