import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Owner } from '../../../host/bus/owner.ts';
import type { StateQuota, StateStore } from '../../../host/bus/state.ts';
import { ACME, GLOBEX } from './collector.ts';

/** What an implementation gives the suite to work with. */
export interface StateHarness {
  /** Opens the store; after `close`, opens it again on what was stored. */
  open(): Promise<{ readonly state: StateStore; close(): Promise<void> }>;
  /** Moves the store's clock. */
  advance(ms: number): void;
  dispose(): Promise<void>;
}

const orders: Owner = { tenant: ACME, source: 'orders' };
const mail: Owner = { tenant: ACME, source: 'mail' };
const theirs: Owner = { tenant: GLOBEX, source: 'orders' };
const ROOMY: StateQuota = { maxKeys: 1000, maxBytes: 1024 * 1024, maxValueBytes: 64 * 1024 };

/** The promises of host/bus/state.ts, held against any implementation. */
export function stateConformance(name: string, start: () => Promise<StateHarness>): void {
  describe(`state: ${name}`, () => {
    let harness: StateHarness;
    let store: { readonly state: StateStore; close(): Promise<void> };
    let state: StateStore;

    beforeEach(async () => {
      harness = await start();
      store = await harness.open();
      state = store.state;
    });

    afterEach(async () => {
      await store.close();
      await harness.dispose();
    });

    const read = async (owner: Owner, key: string): Promise<string | null> =>
      (await state.get(owner, key))?.json ?? null;

    async function revisionOf(key: string): Promise<number> {
      const value = await state.get(orders, key);
      if (value === null) throw new Error(`expected a value of ${key}`);
      return value.revision;
    }

    test('a value is what was set last, until it is deleted', async () => {
      expect(await state.get(orders, 'k')).toBeNull();
      expect(await state.set(orders, 'k', '{"n": 1}', ROOMY)).toBe('stored');
      expect(await state.set(orders, 'k', '"zwölf"', ROOMY)).toBe('stored');
      expect(await read(orders, 'k')).toBe('"zwölf"');
      expect(await state.delete(orders, 'k')).toBe('deleted');
      expect(await state.delete(orders, 'k')).toBe('absent');
      expect(await state.get(orders, 'k')).toBeNull();
    });

    test.each([
      ['dots, wildcards and spaces', ['a.b', 'a.>', 'a.*', '*', '>', ' ', 'a b', '.', '..', '$KV.a']],
      ['slashes, quotes and line feeds', ['a/b', '/', '"', "'; DROP TABLE state", 'a\nb', '=', 'a=b']],
      ['letters of one another', ['K', 'k', 'é', 'e\u0301', '\u{10ffff}', 'ß', 'SS']],
      ['the longest', ['x'.repeat(256), `${'x'.repeat(255)}y`, '🎉'.repeat(128)]],
    ])('keys of %s are told apart', async (_what, keys) => {
      for (const [n, key] of keys.entries())
        expect(await state.set(orders, key, String(n), ROOMY)).toBe('stored');
      expect(await Promise.all(keys.map((key) => read(orders, key)))).toEqual(keys.map((_, n) => String(n)));
      for (const key of keys) expect(await state.delete(orders, key)).toBe('deleted');
    });

    test('neither two tenants nor two providers of one see anything of each other, nor share a quota', async () => {
      const quota = { ...ROOMY, maxKeys: 1 };
      for (const [n, owner] of [orders, mail, theirs].entries())
        expect(await state.set(owner, 'k', String(n), quota)).toBe('stored');
      const all = () => Promise.all([orders, mail, theirs].map((owner) => read(owner, 'k')));
      expect(await all()).toEqual(['0', '1', '2']);
      await state.delete(mail, 'k');
      expect(await all()).toEqual(['0', null, '2']);
    });

    test('names that run into one another are still two owners', async () => {
      await state.set({ tenant: ACME, source: 'a' }, 'b.c', '1', ROOMY);
      expect(await state.get({ tenant: ACME, source: 'a.b' }, 'c')).toBeNull();
      expect(await state.get({ tenant: ACME, source: 'a' }, 'b')).toBeNull();
    });

    describe('quota', () => {
      test('the bound on keys holds exactly, and deleting makes room', async () => {
        const quota = { ...ROOMY, maxKeys: 3 };
        for (const key of ['a', 'b', 'c']) expect(await state.set(orders, key, '1', quota)).toBe('stored');
        expect(await state.set(orders, 'd', '1', quota)).toBe('maxKeys');
        expect(await state.get(orders, 'd')).toBeNull();
        expect(await state.set(orders, 'a', '2', quota)).toBe('stored');
        await state.delete(orders, 'b');
        expect(await state.set(orders, 'd', '1', quota)).toBe('stored');
        expect(await state.set(orders, 'e', '1', quota)).toBe('maxKeys');
      });

      test('the bound on bytes counts keys and values as UTF-8, and holds exactly', async () => {
        // 'ä' is two bytes, '"é"' four.
        const quota = { ...ROOMY, maxBytes: 12 };
        expect(await state.set(orders, 'ä', '"é"', quota)).toBe('stored');
        expect(await state.set(orders, 'b', '12345', quota)).toBe('stored');
        expect(await state.set(orders, 'b', '123456', quota)).toBe('maxBytes');
        expect(await read(orders, 'b')).toBe('12345');
        expect(await state.set(orders, 'ä', '"e"', quota)).toBe('stored');
        expect(await state.set(orders, 'b', '123456', quota)).toBe('stored');
        expect(await state.set(orders, 'b', '1234567', quota)).toBe('maxBytes');
        await state.delete(orders, 'ä');
        expect(await state.set(orders, 'b', '12345678901', quota)).toBe('stored');
        expect(await state.set(orders, 'b', '123456789012', quota)).toBe('maxBytes');
      });

      test('the bound on one value holds exactly, in bytes', async () => {
        const quota = { ...ROOMY, maxValueBytes: 6 };
        expect(await state.set(orders, 'k', '"éé"', quota)).toBe('stored');
        expect(await state.set(orders, 'k', '"éée"', quota)).toBe('maxValueBytes');
        expect(await read(orders, 'k')).toBe('"éé"');
      });

      test('calls that come at once pass no quota together', async () => {
        const quota = { ...ROOMY, maxKeys: 10 };
        const outcomes = await Promise.all(
          Array.from({ length: 100 }, (_, n) => state.set(orders, `k${n}`, '1', quota)),
        );
        expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(10);
        expect(outcomes.filter((outcome) => outcome === 'maxKeys')).toHaveLength(90);
      });

      test('values that grow, shrink and go at once leave the count as it is', async () => {
        const quota = { ...ROOMY, maxKeys: 6, maxBytes: 60 };
        const texts = ['1', '"22"', '"4444"', '"666666"'];
        await Promise.all(
          Array.from({ length: 60 }, (_, n) =>
            n % 5 === 4
              ? state.delete(orders, `k${n % 8}`)
              : state.set(orders, `k${n % 8}`, texts[n % 4] ?? '1', quota),
          ),
        );
        for (let n = 0; n < 8; n += 1) await state.delete(orders, `k${n}`);
        // 57 bytes and a key of 3: all of it, and not one more.
        expect(await state.set(orders, 'all', `"${'x'.repeat(56)}"`, quota)).toBe('maxBytes');
        expect(await state.set(orders, 'all', `"${'x'.repeat(55)}"`, quota)).toBe('stored');
      });

      test('a quota that was lowered under what is there lets values shrink, and nothing grow', async () => {
        for (const key of ['a', 'b', 'c']) await state.set(orders, key, '"0123456789"', ROOMY);
        const quota = { ...ROOMY, maxKeys: 1, maxBytes: 5 };
        expect(await state.set(orders, 'a', '"01234567890"', quota)).toBe('maxBytes');
        expect(await state.set(orders, 'd', '1', quota)).toBe('maxKeys');
        expect(await state.set(orders, 'a', '1', quota)).toBe('stored');
        expect(await read(orders, 'a')).toBe('1');
      });
    });

    describe('revisions', () => {
      test('a value has another revision each time it is set, and stays as it was read until then', async () => {
        await state.set(orders, 'k', '1', ROOMY);
        const first = await revisionOf('k');
        expect(await revisionOf('k')).toBe(first);
        await state.set(orders, 'k', '1', ROOMY);
        expect(await revisionOf('k')).not.toBe(first);
      });

      test('a write that demands another revision than the value has is a conflict, and changes nothing', async () => {
        await state.set(orders, 'k', '1', ROOMY);
        const ifRevision = await revisionOf('k');
        expect(await state.set(orders, 'k', '2', ROOMY, { ifRevision })).toBe('stored');
        expect(await state.set(orders, 'k', '3', ROOMY, { ifRevision })).toBe('conflict');
        expect(await state.delete(orders, 'k', { ifRevision })).toBe('conflict');
        expect(await state.set(orders, 'k', '3', ROOMY, { ifRevision: null })).toBe('conflict');
        expect(await read(orders, 'k')).toBe('2');
        expect(await state.delete(orders, 'k', { ifRevision: await revisionOf('k') })).toBe('deleted');
      });

      test('that there must be none is a demand, too', async () => {
        expect(await state.set(orders, 'k', '1', ROOMY, { ifRevision: 12345 })).toBe('conflict');
        expect(await state.delete(orders, 'k', { ifRevision: 12345 })).toBe('conflict');
        expect(await state.delete(orders, 'k', { ifRevision: null })).toBe('absent');
        expect(await state.set(orders, 'k', '1', ROOMY, { ifRevision: null })).toBe('stored');
      });

      test('a revision is never given again, over a deletion and a restart', async () => {
        await state.set(orders, 'k', '1', ROOMY);
        const ifRevision = await revisionOf('k');
        await state.delete(orders, 'k');
        await store.close();
        store = await harness.open();
        state = store.state;
        await state.set(orders, 'k', '1', ROOMY);
        expect(await revisionOf('k')).not.toBe(ifRevision);
        expect(await state.set(orders, 'k', '2', ROOMY, { ifRevision })).toBe('conflict');
      });

      test('of those that count up at once under a demand, none is lost', async () => {
        await state.set(orders, 'n', '0', ROOMY);
        const countUp = async (): Promise<void> => {
          for (;;) {
            const { json = '0', revision = null } = (await state.get(orders, 'n')) ?? {};
            const next = String(Number(json) + 1);
            if ((await state.set(orders, 'n', next, ROOMY, { ifRevision: revision })) === 'stored') return;
          }
        };
        await Promise.all(Array.from({ length: 12 }, countUp));
        expect(await read(orders, 'n')).toBe('12');
      });
    });

    describe('time to live', () => {
      test('a value is there until its time is over, counted from when it was set last', async () => {
        await state.set(orders, 'k', '1', ROOMY, { ttlMs: 1000 });
        await state.set(orders, 'kept', '1', ROOMY);
        harness.advance(999);
        expect(await read(orders, 'k')).toBe('1');
        await state.set(orders, 'k', '2', ROOMY, { ttlMs: 1000 });
        harness.advance(999);
        expect(await read(orders, 'k')).toBe('2');
        harness.advance(1);
        expect(await state.get(orders, 'k')).toBeNull();
        expect(await state.delete(orders, 'k')).toBe('absent');
        expect(await read(orders, 'kept')).toBe('1');
      });

      test('what is set again without a time stays', async () => {
        await state.set(orders, 'k', '1', ROOMY, { ttlMs: 1000 });
        await state.set(orders, 'k', '2', ROOMY, { ttlMs: null });
        harness.advance(10_000);
        expect(await read(orders, 'k')).toBe('2');
      });

      test('what has expired counts in no quota, however much of it there is', async () => {
        const quota = { ...ROOMY, maxKeys: 200, maxBytes: 2000 };
        await Promise.all(
          Array.from({ length: 200 }, (_, n) => state.set(orders, `k${n}`, '"x"', quota, { ttlMs: 1000 })),
        );
        expect(await state.set(orders, 'more', '1', quota)).toBe('maxKeys');
        harness.advance(1000);
        expect(await state.set(orders, 'large', `"${'x'.repeat(1993)}"`, quota)).toBe('stored');
        expect(await state.set(orders, 'b', '', quota)).toBe('maxBytes');
        expect(await read(orders, 'large')).toHaveLength(1995);
      });

      test('an expired value has no revision: that there must be none is fulfilled', async () => {
        await state.set(orders, 'k', '1', ROOMY, { ttlMs: 1000 });
        const ifRevision = await revisionOf('k');
        harness.advance(1000);
        expect(await state.set(orders, 'k', '2', ROOMY, { ifRevision })).toBe('conflict');
        expect(await state.set(orders, 'k', '2', ROOMY, { ifRevision: null })).toBe('stored');
        expect(await read(orders, 'k')).toBe('2');
      });
    });

    test('B1 what was set outlives a restart, with its quota and its time', async () => {
      const quota = { ...ROOMY, maxKeys: 1 };
      await state.set(orders, 'k', '[1]', quota, { ttlMs: 1000 });
      await store.close();
      store = await harness.open();
      state = store.state;
      expect(await read(orders, 'k')).toBe('[1]');
      expect(await state.set(orders, 'l', '2', quota)).toBe('maxKeys');
      harness.advance(1000);
      expect(await state.set(orders, 'l', '2', quota)).toBe('stored');
    });
  });
}
