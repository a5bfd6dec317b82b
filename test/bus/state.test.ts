import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DurableBus } from '../../host/bus/bus.ts';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import type { Owner } from '../../host/bus/owner.ts';
import type { StateQuota } from '../../host/bus/state.ts';
import { ACME, GLOBEX } from '../conformance/bus/collector.ts';
import { temporaryFolder } from './fixture/folder.ts';

const orders: Owner = { tenant: ACME, source: 'orders' };
const mail: Owner = { tenant: ACME, source: 'mail' };
const theirs: Owner = { tenant: GLOBEX, source: 'orders' };
const ROOMY: StateQuota = { maxKeys: 1000, maxBytes: 1024 * 1024, maxValueBytes: 64 * 1024 };

async function withState(work: (bus: DurableBus) => Promise<void>): Promise<void> {
  const bus = await openEmbeddedBus({ file: join(temporaryFolder(), 'bus.db') });
  try {
    await work(bus);
  } finally {
    await bus.close();
  }
}

test('a value is what was set last, until it is deleted', () =>
  withState(async ({ state }) => {
    expect(await state.get(orders, 'k')).toBeNull();
    expect(await state.set(orders, 'k', '{"n": 1}', ROOMY)).toBe('stored');
    expect(await state.set(orders, 'k', '"zwölf"', ROOMY)).toBe('stored');
    expect(await state.get(orders, 'k')).toBe('"zwölf"');
    expect(await state.delete(orders, 'k')).toBe(true);
    expect(await state.delete(orders, 'k')).toBe(false);
    expect(await state.get(orders, 'k')).toBeNull();
  }));

test('neither two tenants nor two providers of one see anything of each other, nor share a quota', () =>
  withState(async ({ state }) => {
    const quota = { ...ROOMY, maxKeys: 1 };
    for (const [n, owner] of [orders, mail, theirs].entries())
      expect(await state.set(owner, 'k', String(n), quota)).toBe('stored');
    expect(await Promise.all([orders, mail, theirs].map((owner) => state.get(owner, 'k')))).toEqual([
      '0',
      '1',
      '2',
    ]);
    await state.delete(mail, 'k');
    expect(await Promise.all([orders, mail, theirs].map((owner) => state.get(owner, 'k')))).toEqual([
      '0',
      null,
      '2',
    ]);
  }));

test('names that run into one another are still two owners', () =>
  withState(async ({ state }) => {
    await state.set({ tenant: ACME, source: 'a' }, 'b.c', '1', ROOMY);
    expect(await state.get({ tenant: ACME, source: 'a.b' }, 'c')).toBeNull();
    expect(await state.get({ tenant: ACME, source: 'a' }, 'b')).toBeNull();
  }));

test('the bound on keys holds exactly, and deleting makes room', () =>
  withState(async ({ state }) => {
    const quota = { ...ROOMY, maxKeys: 3 };
    for (const key of ['a', 'b', 'c']) expect(await state.set(orders, key, '1', quota)).toBe('stored');
    expect(await state.set(orders, 'd', '1', quota)).toBe('maxKeys');
    expect(await state.get(orders, 'd')).toBeNull();
    expect(await state.set(orders, 'a', '2', quota)).toBe('stored');
    await state.delete(orders, 'b');
    expect(await state.set(orders, 'd', '1', quota)).toBe('stored');
    expect(await state.set(orders, 'e', '1', quota)).toBe('maxKeys');
  }));

test('the bound on bytes counts keys and values as UTF-8, and holds exactly', () =>
  withState(async ({ state }) => {
    // 'ä' is two bytes, '"é"' four.
    const quota = { ...ROOMY, maxBytes: 12 };
    expect(await state.set(orders, 'ä', '"é"', quota)).toBe('stored');
    expect(await state.set(orders, 'b', '12345', quota)).toBe('stored');
    expect(await state.set(orders, 'b', '123456', quota)).toBe('maxBytes');
    expect(await state.get(orders, 'b')).toBe('12345');
    expect(await state.set(orders, 'ä', '"e"', quota)).toBe('stored');
    expect(await state.set(orders, 'b', '123456', quota)).toBe('stored');
    expect(await state.set(orders, 'b', '1234567', quota)).toBe('maxBytes');
    await state.delete(orders, 'ä');
    expect(await state.set(orders, 'b', '12345678901', quota)).toBe('stored');
    expect(await state.set(orders, 'b', '123456789012', quota)).toBe('maxBytes');
  }));

test('the bound on one value holds exactly, in bytes', () =>
  withState(async ({ state }) => {
    const quota = { ...ROOMY, maxValueBytes: 6 };
    expect(await state.set(orders, 'k', '"éé"', quota)).toBe('stored');
    expect(await state.set(orders, 'k', '"éée"', quota)).toBe('maxValueBytes');
    expect(await state.get(orders, 'k')).toBe('"éé"');
  }));

test('calls that come at once pass no quota together', () =>
  withState(async ({ state }) => {
    const quota = { ...ROOMY, maxKeys: 10 };
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, n) => state.set(orders, `k${n}`, '1', quota)),
    );
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(10);
    expect(outcomes.filter((outcome) => outcome === 'maxKeys')).toHaveLength(90);
  }));

test('a quota that was lowered under what is there lets values shrink, and nothing grow', () =>
  withState(async ({ state }) => {
    for (const key of ['a', 'b', 'c']) await state.set(orders, key, '"0123456789"', ROOMY);
    const quota = { ...ROOMY, maxKeys: 1, maxBytes: 5 };
    expect(await state.set(orders, 'a', '"01234567890"', quota)).toBe('maxBytes');
    expect(await state.set(orders, 'd', '1', quota)).toBe('maxKeys');
    expect(await state.set(orders, 'a', '1', quota)).toBe('stored');
    expect(await state.get(orders, 'a')).toBe('1');
  }));

test('B1 what was set outlives a restart, with its quota', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const quota = { ...ROOMY, maxKeys: 1 };
  const first = await openEmbeddedBus({ file });
  await first.state.set(orders, 'k', '[1]', quota);
  await first.close();
  const second = await openEmbeddedBus({ file });
  expect(await second.state.get(orders, 'k')).toBe('[1]');
  expect(await second.state.set(orders, 'l', '2', quota)).toBe('maxKeys');
  await second.close();
});

test('past the bound of what may wait, calls are refused, retryable', async () => {
  const bus = await openEmbeddedBus({ file: join(temporaryFolder(), 'bus.db'), maxQueuedOperations: 10 });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => bus.state.set(orders, `k${n}`, '1', ROOMY)),
  );
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(5);
  expect(outcomes.at(-1)).toMatchObject({ reason: { code: 'bus_unavailable', retryable: true } });
  await bus.close();
});
