import { expect, test } from 'vitest';
import type { Owner } from '../../host/bus/owner.ts';
import type { Timer } from '../../host/bus/timers.ts';
import { Broker, type EffectRecord } from '../../host/capability/broker.ts';
import { TimersCapability } from '../../host/capability/timers.ts';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import type { Effect } from '../../host/sandbox/protocol.ts';

const tenant = parseTenantId('alpha');
const { signal } = new AbortController();
const GRANTED: Grants = {
  ...NO_GRANTS,
  timers: { events: ['reminder.*'], maxTimers: 2, minIntervalMs: 60_000 },
};

function brokerWith(grants: Grants, hasRoom = true) {
  const set: [Owner, Timer, number][] = [];
  const cleared: [Owner, string][] = [];
  const asked: unknown[] = [];
  const denied: string[] = [];
  const records: EffectRecord[] = [];
  const broker = new Broker({
    capabilities: [
      new TimersCapability({
        set: async (owner, timer, maxTimers) => {
          set.push([owner, timer, maxTimers]);
          return hasRoom;
        },
        clear: async (owner, id) => {
          cleared.push([owner, id]);
          return id === 'there';
        },
        list: async (owner, after, limit) => {
          asked.push([owner, after, limit]);
          return { timers: [LISTED], next: 't2' };
        },
      }),
    ],
    grantsOf: (of, source) => (of === tenant && source === 'orders' ? grants : NO_GRANTS),
    onDenied: (of, source, message) => denied.push(`${of} ${source} ${message}`),
    onPerformed: (record) => records.push(record),
    monotonicMs: () => 0,
  });
  const ask = (fn: string, args: readonly string[], source = 'orders') => {
    const effect: Effect = { capability: 'timers', fn, args, source, run: null, events: [] };
    return broker.perform(tenant, effect, signal);
  };
  return { ask, set, cleared, asked, denied, records };
}

const LISTED = { id: 't1', dueAt: 5, everyMs: null, type: parseEventType('reminder.due') };

/** As a cell passes it. */
const ORDER = ['t1', '1700000000000', '60000', 'reminder.due', '{"a":1}', '{"hops":0}'] as const;

function order(at: number, value: string): readonly string[] {
  return ORDER.map((each, index) => (index === at ? value : each));
}

const owner = { tenant, source: 'orders' };

test('a granted timer is set, for the tenant and provider of the caller', async () => {
  const { ask, set } = brokerWith(GRANTED);
  expect(await ask('set', ORDER)).toEqual({ kind: 'ok', output: '{"due_at":1700000000000}' });
  expect(await ask('set', order(2, ''))).toMatchObject({ kind: 'ok' });
  const timer = {
    id: 't1',
    dueAt: 1_700_000_000_000,
    type: 'reminder.due',
    payload: '{"a":1}',
    metadata: '{"hops":0}',
  };
  expect(set).toEqual([
    [owner, { ...timer, everyMs: 60_000 }, 2],
    [owner, { ...timer, everyMs: null }, 2],
  ]);
});

test('clearing says whether there was such a timer', async () => {
  const { ask, cleared } = brokerWith(GRANTED);
  expect(await ask('clear', ['there'])).toEqual({ kind: 'ok', output: 'true' });
  expect(await ask('clear', ['elsewhere'])).toEqual({ kind: 'ok', output: 'false' });
  expect(cleared[0]).toEqual([owner, 'there']);
});

test('listing names the caller’s own timers, without what their events will hold', async () => {
  const { ask, asked, records } = brokerWith(GRANTED);
  const output = JSON.stringify({
    timers: [{ id: 't1', due_at: 5, every_ms: null, event_type: 'reminder.due' }],
    next: 't2',
  });
  expect(await ask('list', ['', '100'])).toEqual({ kind: 'ok', output });
  expect(await ask('list', ['t2', '7'])).toEqual({ kind: 'ok', output });
  expect(asked).toEqual([
    [owner, null, 100],
    [owner, 't2', 7],
  ]);
  expect(records[0]).toMatchObject({ fn: 'list', target: '', decision: 'done' });
});

test('a cell that asks for more than a page is refused', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  for (const args of [[], ['', '101'], ['', '0'], ['', '1.5'], ['x'.repeat(129), '1'], ['', 'many']])
    expect(await ask('list', args)).toMatchObject({ problem: { code: 'timer_invalid' } });
  expect(asked).toEqual([]);
});

test.each([
  ['set', ORDER],
  ['clear', ['t1']],
  ['list', ['', '100']],
] as const)('without a grant %s is denied, and so it is for a flow', async (fn, args) => {
  const { ask, denied } = brokerWith(NO_GRANTS);
  expect(await ask(fn, args)).toMatchObject({ problem: { code: 'capability_denied' } });
  expect(await brokerWith(GRANTED).ask(fn, args, 'flow:orders')).toMatchObject({
    problem: { code: 'capability_denied' },
  });
  expect(denied).toEqual([expect.stringContaining('timers: { events: ["reminder.due"] }')]);
});

test('an event type that the grant does not name is denied, with the line that would allow it', async () => {
  const { ask, set, denied } = brokerWith(GRANTED);
  expect(await ask('set', order(3, 'order.created'))).toEqual({
    kind: 'problem',
    problem: {
      code: 'capability_denied',
      message: 'The provider orders may not set timers for events of the type order.created.',
      retryable: false,
    },
  });
  expect(denied).toEqual([expect.stringContaining('timers: { events: ["order.created"] }')]);
  expect(set).toEqual([]);
});

test('a repetition shorter than granted is denied; the shortest is not', async () => {
  const { ask, denied } = brokerWith(GRANTED);
  expect(await ask('set', order(2, '60000'))).toMatchObject({ kind: 'ok' });
  expect(await ask('set', order(2, '59999'))).toMatchObject({ problem: { code: 'capability_denied' } });
  expect(await ask('set', order(2, '30000'))).toMatchObject({ problem: { code: 'capability_denied' } });
  expect(denied.at(-1)).toContain('timers: { min_interval: 30s }');
});

test('a timer too many is refused, and the message names the bound', async () => {
  const { ask } = brokerWith(GRANTED, false);
  expect(await ask('set', ORDER)).toEqual({
    kind: 'problem',
    problem: {
      code: 'timers_full',
      message: 'The provider orders has 2 timers set, which is the most that its grant allows (max).',
      retryable: false,
    },
  });
});

test.each<[string, readonly string[], string]>([
  ['nothing', [], 'timer_invalid'],
  ['an id of no characters', order(0, ''), 'timer_invalid'],
  ['an id of 129 characters', order(0, 'i'.repeat(129)), 'timer_invalid'],
  ['an id with half a surrogate pair', order(0, '\ud800'), 'timer_invalid'],
  ['an instant that is none', order(1, '1e400'), 'timer_invalid'],
  ['an instant before 1970', order(1, '-1'), 'timer_invalid'],
  ['an instant past the year 9999', order(1, '253402300800000'), 'timer_invalid'],
  ['a repetition that is none', order(2, '1.5'), 'timer_invalid'],
  ['a repetition under a second', order(2, '999'), 'timer_invalid'],
  ['a type that is a pattern', order(3, 'reminder.*'), 'event_type_invalid'],
  ['a type of results', order(3, 'reminder.result'), 'event_type_invalid'],
  ['a payload past the bound', order(4, `"${'x'.repeat(32 * 1024)}"`), 'timer_invalid'],
  ['a payload with half a surrogate pair', order(4, '"\ud800"'), 'timer_invalid'],
  ['metadata that is no object', order(5, '[]'), 'timer_invalid'],
])('what a cell that lies passes is refused: %s', async (_what, args, code) => {
  const { ask, set } = brokerWith(GRANTED);
  expect(await ask('set', args)).toMatchObject({ problem: { code } });
  expect(set).toEqual([]);
});

test.each(['', 'i'.repeat(129), '\udfff'])('clearing %j is refused', async (id) => {
  const { ask, cleared } = brokerWith(GRANTED);
  expect(await ask('clear', [id])).toMatchObject({ problem: { code: 'timer_invalid' } });
  expect(await ask('clear', [])).toMatchObject({ problem: { code: 'timer_invalid' } });
  expect(cleared).toEqual([]);
});

test('the audit learns the timer’s id, and no payload', async () => {
  const { ask, records } = brokerWith(GRANTED);
  await ask('set', order(4, '"hidden"'));
  await ask('clear', ['t1']);
  await ask('set', order(3, 'order.created'));
  expect(records).toMatchObject([
    { capability: 'timers', fn: 'set', target: 't1', decision: 'done' },
    { capability: 'timers', fn: 'clear', target: 't1', decision: 'done' },
    { capability: 'timers', fn: 'set', target: 't1', decision: 'denied' },
  ]);
  expect(JSON.stringify(records)).not.toContain('hidden');
});
