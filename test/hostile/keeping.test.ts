import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TappedMessage } from '../../host/bus/bus.ts';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { PublishCapability } from '../../host/capability/publish.ts';
import { SecretsCapability } from '../../host/capability/secrets.ts';
import { StateCapability } from '../../host/capability/state.ts';
import { TimersCapability } from '../../host/capability/timers.ts';
import { parseEventType, type TenantId } from '../../host/event/names.ts';
import type { Grants } from '../../host/grant/grants.ts';
import { Secret } from '../../host/grant/secret.ts';
import { Arena, type Outcome } from './arena.ts';
import { type AskerParts, KINDS, restJob, strikeJob } from './asker-text.ts';
import { World } from './world.ts';

/** What a guest makes the host keep: events, state and timers, in the store of a host; and the secrets that it keeps from it. */

const folder = mkdtempSync(join(tmpdir(), 'gtpack-keeping-'));
const bus = await openEmbeddedBus({ file: join(folder, 'bus.db') });
const stored: TappedMessage[] = [];
bus.tap((messages) => stored.push(...messages));
afterAll(async () => {
  await bus.close();
  rmSync(folder, { recursive: true });
});

const SECRET = 'hush-hush-hush';
const world = new World({
  capabilities: [
    new PublishCapability(bus),
    new StateCapability(bus.state),
    new TimersCapability(bus.timers),
    new SecretsCapability((tenant, name) => {
      if (name !== 'THERE') throw new Error(`There is no secret ${name}.`);
      return new Secret(name, `${SECRET} of ${tenant}`);
    }),
  ],
});
const arena = new Arena(world.performs);
beforeAll(() => arena.open());
beforeEach(() => {
  stored.length = 0;
});

const exports = ['invoke'] as const;
const EVERYTHING: Partial<Grants> = {
  bus: { publish: ['>'] },
  state: { maxBytes: 4096, maxValueBytes: 1024, maxKeys: 10, ttlMs: null },
  timers: { events: ['reminder.>'], maxTimers: 20, minIntervalMs: 1000 },
  secrets: new Set(['THERE']),
};
/** A problem of one of these codes. */
const problem = (codes: RegExp) => ({
  kind: 'problem',
  problem: { code: expect.stringMatching(codes), message: expect.not.stringContaining('grants') },
});
const DENIED = problem(/^capability_denied$/);

describe.each(KINDS)('%s', (_, asker) => {
  /** A tenant whose guest asks for one function, with all grants unless a test gives others. */
  async function admit(parts: AskerParts): Promise<TenantId> {
    const granted = { [parts.capability]: EVERYTHING[parts.capability] };
    const tenant = arena.admit(
      await arena.code({ wasm: await asker({ memory: '200', ...parts }), exports, grants: granted }),
    );
    world.grant(EVERYTHING, tenant);
    return tenant;
  }
  const attack = (tenant: TenantId, input: string, operation?: string): Promise<Outcome> =>
    arena.attackAs(tenant, { job: strikeJob(input, operation), harmless: restJob });

  describe('that publishes', () => {
    const publisher = (): Promise<TenantId> => admit({ capability: 'bus', fn: 'publish' });

    test('to types that are none stores nothing', async () => {
      const tenant = await publisher();
      const types = [
        '>',
        '*',
        '.result',
        'a.result',
        'result',
        'order.*',
        'order.>',
        '',
        '.',
        'a..b',
        '.a',
        'a.',
        'a b',
        'a\tb',
        'a\nb',
        'a\r\nPUB x 0',
        'a\0b',
        'A.b',
        'ORDER',
        'a.b.c.d.e.f.g.h.i',
        '../../etc',
        '$JS.API.STREAM.PURGE.x',
        'ä.b',
        'a.b\u2028',
        `a.${'b'.repeat(10_240)}`,
        'x'.repeat(129),
      ];
      for (const event_type of types) {
        const outcome = await attack(tenant, JSON.stringify([{ event_type, payload: 1 }]));
        expect(outcome, JSON.stringify(event_type)).toMatchObject(problem(/^event_invalid$/));
      }
      expect(stored).toEqual([]);
    });

    test('as another tenant, or under another name, stores nothing', async () => {
      const tenant = await publisher();
      for (const claim of ['tenant', 'tenant_id', 'env', 'source', 'subject', 'hops', 'run_id']) {
        const outcome = await attack(
          tenant,
          JSON.stringify([{ event_type: 'a.b', payload: 1, [claim]: 'bystander' }]),
        );
        expect(outcome, claim).toMatchObject(problem(/^event_invalid$/));
      }
      expect(stored).toEqual([]);
    });

    test('what looks like another tenant’s subject publishes to its own tenant', async () => {
      const tenant = await publisher();
      await attack(tenant, '[{"event_type":"greentic.events.dev.bystander.order","payload":1}]');
      expect(stored.map((message) => message.tenant)).toEqual([tenant]);
    });

    test('what readers could take for something else stores what every reader takes for the same', async () => {
      const tenant = await publisher();
      const draft = `{"event_type":"a.b","payload":{"__proto__":{"a":1},"n":[1e999,9007199254740993,-0],"s":"\\udc00\\ud800"},
        "metadata":{"__proto__":{"hops":99},"hops":99,"trace_id":"forged"}}`;
      expect(await attack(tenant, `[${draft}]`)).toMatchObject({ kind: 'output' });
      const json = stored[0]?.json ?? '';
      expect(json.isWellFormed()).toBe(true);
      expect(json).toContain(
        '"payload":{"__proto__":{"a":1},"n":[null,9007199254740992,0],"s":"\\udc00\\ud800"}',
      );
      expect(json).not.toContain('forged');
      expect(JSON.parse(json)).toMatchObject({ metadata: { hops: 0 } });
    });

    test('ten thousand drafts at once, or none that are drafts, stores nothing', async () => {
      const tenant = await publisher();
      const draft = '{"event_type":"a.b","payload":1}';
      const lists = [
        `[${`${draft},`.repeat(9_999)}${draft}]`,
        `[${draft},{"event_type":">","payload":1}]`,
        `[${draft},${draft.replace('1', `"${'x'.repeat(300_000)}"`)}]`,
        `[${'{},'.repeat(1_000_000)}{}]`,
        `[${draft.replace('1', `${'['.repeat(100)}${']'.repeat(100)}`)}]`,
        draft,
        'null',
        '"a"',
        '',
        '[',
      ];
      for (const list of lists) {
        const outcome = await attack(tenant, list);
        expect(outcome, list.slice(0, 40)).toMatchObject(
          problem(/^(?:event_invalid|guest_output_invalid|json_\w+)$/),
        );
      }
      expect(stored).toEqual([]);
    });

    test('a type that its grant does not name stores nothing, and the operator reads what would allow it', async () => {
      const tenant = await publisher();
      world.grant({ bus: { publish: ['order.*'] } }, tenant);
      for (const type of ['order', 'order.a.b', 'orders.a', 'other.order.a']) {
        expect(await attack(tenant, JSON.stringify([{ event_type: type, payload: 1 }]))).toMatchObject(
          DENIED,
        );
      }
      const mixed = '[{"event_type":"order.a","payload":1},{"event_type":"other.a","payload":1}]';
      expect(await attack(tenant, mixed)).toMatchObject(DENIED);
      expect(stored).toEqual([]);
      expect(world.denied).toHaveLength(5);
    });

    test('the id of another tenant’s event takes nothing away from that tenant', async () => {
      const thief = await publisher();
      const owner = await publisher();
      const draft = '[{"event_type":"a.b","id":"shared-id","payload":1}]';
      for (const tenant of [thief, thief, owner, thief, owner]) await attack(tenant, draft);
      expect(stored.map(({ tenant }) => tenant)).toEqual([thief, owner]);
    });

    test('for as long as it may leaves at most 64 events a call, and others’ come through', async () => {
      const tenant = await admit({ capability: 'bus', fn: 'publish', strike: '(loop (call $ask) (br 0))' });
      const outcome = await attack(tenant, '[{"event_type":"a.b","payload":1}]');
      expect(outcome).toMatchObject({ kind: 'thrown', code: 'guest_timeout' });
      expect(stored).toHaveLength(64);
      expect(JSON.parse(stored[0]?.json ?? '')).toMatchObject({ source: 'guest', metadata: { hops: 0 } });
    });
  });

  describe('that keeps state', () => {
    const ofOther = (tenant: TenantId) => ({ tenant, source: 'guest' });
    const quota = { maxBytes: 4096, maxValueBytes: 1024, maxKeys: 10 };

    test('reads, deletes and changes nothing of another tenant or provider, whatever it calls it', async () => {
      const [reader, deleter, writer] = [
        await admit({ capability: 'state', fn: 'get' }),
        await admit({ capability: 'state', fn: 'delete' }),
        await admit({ capability: 'state', fn: 'set' }),
      ];
      const victim = await admit({ capability: 'state', fn: 'get' });
      await bus.state.set(ofOther(victim), 'key', `"${SECRET}"`, quota);
      await bus.state.set({ tenant: reader, source: 'other' }, 'key', `"${SECRET}"`, quota);
      const keys = [
        'key',
        `${victim}/guest/key`,
        `${victim}\0guest\0key`,
        `../${victim}/key`,
        '%',
        '_',
        '*',
        "' OR 1=1 --",
        `key' UNION SELECT value FROM state --`,
        '__proto__',
        'constructor',
      ];
      for (const key of keys) {
        const outcome = await attack(reader, key);
        expect(JSON.stringify(outcome), key).not.toContain(SECRET);
        expect(outcome, key).toMatchObject({ kind: expect.stringMatching(/^(?:output|problem)$/) });
        expect(await attack(deleter, key), key).not.toMatchObject({ output: 'true' });
        await attack(writer, '"mine"', key);
      }
      expect(await bus.state.get(ofOther(victim), 'key')).toMatchObject({ json: `"${SECRET}"` });
      expect(await bus.state.get({ tenant: reader, source: 'other' }, 'key')).toMatchObject({
        json: `"${SECRET}"`,
      });
    });

    test('fills its quota and no more, whatever comes at once, and its neighbour’s is untouched', async () => {
      const tenant = await admit({ capability: 'state', fn: 'set' });
      const neighbour = await admit({ capability: 'state', fn: 'set' });
      const calls = Array.from({ length: 200 }, (_item, n) => arena.call(tenant, strikeJob('1', `key-${n}`)));
      await attack(tenant, '1', 'one-more');
      const kept = (await Promise.all(calls)).filter(({ kind }) => kind === 'output');
      expect(kept.length).toBeLessThanOrEqual(10);
      expect(await attack(tenant, '1', 'another')).toMatchObject(problem(/^state_full$/));
      // By bytes, too: a value may be as large as it may, and all of them together no larger than the quota.
      for (let n = 0; n < 10; n += 1) await attack(neighbour, `"${'x'.repeat(1000)}"`, `key-${n}`);
      expect(await attack(neighbour, `"${'x'.repeat(1000)}"`, 'more')).toMatchObject(problem(/^state_full$/));
      expect(await bus.state.get(ofOther(neighbour), 'key-0')).not.toBeNull();
      expect(await bus.state.get(ofOther(neighbour), 'key-9')).toBeNull();
    });

    test('under keys of a megabyte, or of none, keeps nothing', async () => {
      const tenant = await admit({ capability: 'state', fn: 'set' });
      for (const key of ['k'.repeat(1_000_000), 'k'.repeat(257)]) {
        expect(await attack(tenant, '1', key)).toMatchObject(problem(/^state_\w+$/));
      }
      const getter = await admit({ capability: 'state', fn: 'get' });
      for (const key of ['', 'k'.repeat(1_000_000)]) {
        expect(await attack(getter, key)).toMatchObject(problem(/^state_\w+$/));
      }
    });

    test('keeps no values that are no JSON within bounds', async () => {
      const tenant = await admit({ capability: 'state', fn: 'set' });
      const values = [
        '',
        '{',
        '1,2',
        'undefined',
        `"${'x'.repeat(4_000_000)}"`,
        `"${'x'.repeat(2000)}"`,
        `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
        `[${'{},'.repeat(500_000)}{}]`,
      ];
      for (const value of values) {
        expect(await attack(tenant, value, 'key'), value.slice(0, 20)).toMatchObject(
          problem(/^(?:state|json)_\w+$/),
        );
      }
      expect(await bus.state.get(ofOther(tenant), 'key')).toBeNull();
    });
  });

  describe('that sets timers', () => {
    const timer = (more: object): string =>
      JSON.stringify({
        id: 'a',
        after_ms: 3_600_000,
        event: { event_type: 'reminder.due', payload: 1 },
        ...more,
      });
    async function countOf(tenant: TenantId): Promise<number> {
      const queues = await bus.timers.queues();
      return queues.filter((queue) => queue.tenant === tenant).reduce((total, { count }) => total + count, 0);
    }

    test('by the thousand gets as many as were granted, whatever comes at once', async () => {
      const tenant = await admit({ capability: 'timers', fn: 'set' });
      const calls = Array.from({ length: 400 }, (_item, n) =>
        arena.call(tenant, strikeJob(timer({ id: `t-${n}` }))),
      );
      await attack(tenant, timer({ id: 'one-more' }));
      const outcomes = await Promise.all(calls);
      expect(outcomes.filter(({ kind }) => kind === 'output').length).toBeLessThanOrEqual(20);
      expect(await attack(tenant, timer({ id: 'another' }))).toMatchObject(problem(/^timers_full$/));
      expect(await countOf(tenant)).toBe(20);
    });

    test.each<[string, object, RegExp]>([
      [
        'of an event type that was not granted',
        { event: { event_type: 'other.due', payload: 1 } },
        /^capability_denied$/,
      ],
      [
        'of the type of a result',
        { event: { event_type: 'reminder.result', payload: 1 } },
        /^(?:event|timer)_invalid$/,
      ],
      [
        'of another tenant',
        { event: { event_type: 'reminder.due', payload: 1, tenant: 'x' } },
        /^(?:event|timer)_invalid$/,
      ],
      [
        'of another source',
        { event: { event_type: 'reminder.due', payload: 1, source: 'x' } },
        /^(?:event|timer)_invalid$/,
      ],
      ['every millisecond', { every_ms: 1 }, /^(?:timer_invalid|capability_denied)$/],
      ['every nothing', { every_ms: 0 }, /^timer_invalid$/],
      ['backwards', { every_ms: -1000 }, /^timer_invalid$/],
      ['every 1e300 ms', { every_ms: 1e300 }, /^timer_invalid$/],
      ['after the year 9999', { after_ms: 1e15 }, /^timer_invalid$/],
      ['at no instant', { after_ms: null }, /^timer_invalid$/],
      ['at two instants', { at: 1 }, /^timer_invalid$/],
      ['with an id of a megabyte', { id: 'a'.repeat(1_000_000) }, /^timer_invalid$/],
      ['without an id', { id: '' }, /^timer_invalid$/],
      [
        'with a payload of 300 KB',
        { event: { event_type: 'reminder.due', payload: 'x'.repeat(300_000) } },
        /^(?:timer_invalid|json_too_large|event_invalid)$/,
      ],
      ['with a key of its own', { tenant: 'bystander' }, /^timer_invalid$/],
    ])('%s gets none', async (_title, more, codes) => {
      const tenant = await admit({ capability: 'timers', fn: 'set' });
      const fresh = { ...more, id: (more as { id?: string }).id ?? `t-${codes}` };
      expect(await attack(tenant, timer(fresh))).toMatchObject(problem(codes));
      expect(await countOf(tenant)).toBe(0);
    });

    test('clears no timer of another tenant', async () => {
      const victim = await admit({ capability: 'timers', fn: 'set' });
      const thief = await admit({ capability: 'timers', fn: 'clear' });
      await attack(victim, timer({ id: 'mine' }));
      for (const id of ['mine', `${victim}/mine`, '%', "' OR 1=1 --"]) {
        expect(await attack(thief, id)).toMatchObject({ kind: 'output', output: 'false' });
      }
      expect(await countOf(victim)).toBe(1);
      await bus.timers.clear({ tenant: victim, source: 'guest' }, 'mine');
    });

    test('that are due does not see them fire any sooner for setting them again', async () => {
      const tenant = await admit({ capability: 'timers', fn: 'set', strike: '(loop (call $ask) (br 0))' });
      await attack(tenant, timer({ after_ms: 0, every_ms: 1000 }));
      // One timer under its one id, however often it was set.
      expect(await countOf(tenant)).toBe(1);
      expect(
        await bus.timers.due(
          { tenant, source: 'guest', type: parseEventType('reminder.due') },
          Date.now() + 1,
          10,
        ),
      ).toMatchObject({ timers: [{ id: 'a', everyMs: 1000 }] });
    });
  });

  describe('that reads secrets', () => {
    test('hears the same of a name that is there and of one that is not, unless it was granted it', async () => {
      const tenant = await admit({ capability: 'secrets', fn: 'get' });
      world.grant({ secrets: new Set(['OTHER']) }, tenant);
      const there = await attack(tenant, 'THERE');
      const gone = await attack(tenant, 'GONES');
      expect(there).toMatchObject(DENIED);
      expect(JSON.stringify(gone).replaceAll('GONES', 'THERE')).toBe(JSON.stringify(there));
      expect(world.records.map(({ decision, code }) => [decision, code])).toEqual([
        ['denied', 'capability_denied'],
        ['denied', 'capability_denied'],
      ]);
    });

    test('reads none by a name that is no name', async () => {
      const tenant = await admit({ capability: 'secrets', fn: 'get' });
      for (const name of [
        '',
        '__proto__',
        'constructor',
        'THERE\0',
        ' THERE',
        'there',
        '*',
        '../THERE',
        'env:HOME',
        'T'.repeat(1_000_000),
      ]) {
        expect(await attack(tenant, name), name.slice(0, 20)).toMatchObject(DENIED);
      }
    });

    test('reads its own tenant’s, and no log, record or operator’s line has it', async () => {
      const tenant = await admit({ capability: 'secrets', fn: 'get' });
      expect(await attack(tenant, 'THERE')).toEqual({ kind: 'output', output: `"${SECRET} of ${tenant}"` });
      expect(JSON.stringify([world.records, world.denied, arena.logs, arena.losses])).not.toContain(SECRET);
    });
  });

  test.each<[AskerParts['capability'], string]>([
    ['bus', 'publish'],
    ['state', 'get'],
    ['state', 'set'],
    ['state', 'delete'],
    ['timers', 'set'],
    ['timers', 'clear'],
    ['secrets', 'get'],
  ])('whose bundle no longer grants %s gets nothing of %s', async (capability, fn) => {
    const tenant = await admit({ capability, fn });
    world.grant({}, tenant);
    const inputs: Partial<Record<string, string>> = {
      publish: '[{"event_type":"a.b","payload":1}]',
      set:
        capability === 'timers'
          ? '{"id":"a","after_ms":1,"event":{"event_type":"reminder.a","payload":1}}'
          : '1',
    };
    expect(await attack(tenant, inputs[fn] ?? 'THERE', 'key')).toMatchObject(DENIED);
    expect(stored).toEqual([]);
  });
});

test('what was tried leaves no thread behind', () => arena.threadsAreGone());
