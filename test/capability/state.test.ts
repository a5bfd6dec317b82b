import { expect, test } from 'vitest';
import type { Owner } from '../../host/bus/owner.ts';
import type { StateOutcome, StateQuota, StateStore } from '../../host/bus/state.ts';
import { Broker, type EffectRecord } from '../../host/capability/broker.ts';
import { StateCapability } from '../../host/capability/state.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import type { Effect } from '../../host/sandbox/protocol.ts';

const tenant = parseTenantId('alpha');
const { signal } = new AbortController();
const GRANT = { maxKeys: 3, maxBytes: 100, maxValueBytes: 10, ttlMs: 60_000 };
const GRANTED: Grants = { ...NO_GRANTS, state: GRANT };

function brokerWith(grants: Grants, outcome: StateOutcome = 'stored') {
  const asked: [string, Owner, string, ...unknown[]][] = [];
  const store: StateStore = {
    get: async (owner, key) => {
      asked.push(['get', owner, key]);
      return key === 'there' ? { json: '{"n":1}', revision: 1 } : null;
    },
    set: async (owner, key, json, quota: StateQuota, condition) => {
      asked.push(['set', owner, key, json, quota, condition]);
      return outcome;
    },
    delete: async (owner, key) => {
      asked.push(['delete', owner, key]);
      return key === 'there' ? 'deleted' : 'absent';
    },
  };
  const denied: string[] = [];
  const records: EffectRecord[] = [];
  const broker = new Broker({
    capabilities: [new StateCapability(store)],
    grantsOf: (of, source) => (of === tenant && source === 'orders' ? grants : NO_GRANTS),
    onDenied: (of, source, message) => denied.push(`${of} ${source} ${message}`),
    onPerformed: (record) => records.push(record),
    monotonicMs: () => 0,
  });
  const ask = (fn: string, args: readonly string[], source = 'orders') => {
    const effect: Effect = { capability: 'state', fn, args, source, run: null, events: [] };
    return broker.perform(tenant, effect, signal);
  };
  return { ask, asked, denied, records };
}

const owner = { tenant, source: 'orders' };

test('a value is read as the text it is, a missing one as null', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  expect(await ask('get', ['there'])).toEqual({ kind: 'ok', output: '{"n":1}' });
  expect(await ask('get', ['elsewhere'])).toEqual({ kind: 'ok', output: 'null' });
  expect(asked[0]).toEqual(['get', owner, 'there']);
});

test('a value is stored for the tenant and provider of the caller, under the quota and for the time of its grant', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  expect(await ask('set', ['k', '[1]'])).toEqual({ kind: 'ok', output: 'null' });
  expect(asked).toEqual([['set', owner, 'k', '[1]', GRANT, { ttlMs: 60_000 }]]);
});

test('deleting says whether there was such a key', async () => {
  const { ask } = brokerWith(GRANTED);
  expect(await ask('delete', ['there'])).toEqual({ kind: 'ok', output: 'true' });
  expect(await ask('delete', ['elsewhere'])).toEqual({ kind: 'ok', output: 'false' });
});

test.each(['get', 'set', 'delete'])(
  'without a grant %s is denied, and the operator reads the grant that would allow it',
  async (fn) => {
    const { ask, asked, denied } = brokerWith(NO_GRANTS);
    expect(await ask(fn, ['k', '1'])).toEqual({
      kind: 'problem',
      problem: {
        code: 'capability_denied',
        message: 'The provider orders may keep no state.',
        retryable: false,
      },
    });
    expect(denied).toEqual([expect.stringContaining('state: {}')]);
    expect(asked).toEqual([]);
  },
);

test('what one provider is granted, another one of the tenant is not', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  for (const source of ['mail', 'flow:orders'])
    expect(await ask('get', ['k'], source)).toMatchObject({ problem: { code: 'capability_denied' } });
  expect(asked).toEqual([]);
});

test.each([
  ['maxKeys', 'The state of orders would pass max_keys: at most 3 keys are granted.'],
  [
    'maxBytes',
    'The state of orders would pass max_bytes: at most 100 bytes of keys and values together are granted.',
  ],
  ['maxValueBytes', 'The state of orders would pass max_value: at most 10 bytes of one value are granted.'],
] as const)('a value past %s is refused, and the message names the bound', async (bound, message) => {
  const { ask } = brokerWith(GRANTED, bound);
  expect(await ask('set', ['k', '1'])).toEqual({
    kind: 'problem',
    problem: { code: 'state_full', message, retryable: false },
  });
});

test('keys are 1 to 256 characters', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  expect(await ask('get', ['k'.repeat(256)])).toMatchObject({ kind: 'ok' });
  for (const key of ['', 'k'.repeat(257), '\ud800'])
    expect(await ask('set', [key, '1'])).toMatchObject({ problem: { code: 'state_key_invalid' } });
  expect(await ask('get', [])).toMatchObject({ problem: { code: 'state_key_invalid' } });
  expect(asked).toHaveLength(1);
});

test('a value that the store would change is refused', async () => {
  const { ask, asked } = brokerWith(GRANTED);
  for (const args of [['k'], ['k', ''], ['k', '"\udc00"']])
    expect(await ask('set', args)).toMatchObject({ problem: { code: 'state_value_invalid' } });
  expect(asked).toEqual([]);
});

test('a function that is none is refused', async () => {
  expect(await brokerWith(GRANTED).ask('list', ['k'])).toMatchObject({
    problem: { code: 'effect_failed', retryable: false },
  });
});

test('the audit learns the key, and no value', async () => {
  const { ask, records } = brokerWith(GRANTED, 'maxKeys');
  await ask('get', ['there']);
  await ask('set', ['k', '"hidden"']);
  expect(records).toMatchObject([
    { capability: 'state', fn: 'get', target: 'there', decision: 'done' },
    { capability: 'state', fn: 'set', target: 'k', decision: 'failed', code: 'state_full' },
  ]);
  expect(JSON.stringify(records)).not.toContain('hidden');
});
