import { expect, test } from 'vitest';
import type { Bus, EventMessage, JournalEntry } from '../../host/bus/bus.ts';
import { Broker, type EffectRecord } from '../../host/capability/broker.ts';
import { PublishCapability } from '../../host/capability/publish.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import type { Effect } from '../../host/sandbox/protocol.ts';

const tenant = parseTenantId('alpha');
const { signal } = new AbortController();

function brokerWith(grants: Grants) {
  const published: { tenant: string; messages: readonly EventMessage[]; journal: readonly JournalEntry[] }[] =
    [];
  const bus: Pick<Bus, 'publish'> = {
    publish: async (to, messages, journal = []) => {
      published.push({ tenant: to, messages, journal });
      return messages.map(({ id }) => ({ id, duplicate: false }));
    },
  };
  const denied: string[] = [];
  const records: EffectRecord[] = [];
  const broker = new Broker({
    onDenied: (of, source, message) => denied.push(`${of} ${source} ${message}`),
    capabilities: [new PublishCapability(bus)],
    grantsOf: (of, source) => (of === tenant && source === 'orders' ? grants : NO_GRANTS),
    onPerformed: (record) => records.push(record),
    monotonicMs: () => 0,
  });
  return { broker, published, denied, records };
}

function publishing(types: readonly string[], source = 'orders', run: Effect['run'] = null): Effect {
  const events = types.map((type, n) => ({ id: `e${n}`, type, json: '{}' }));
  return { capability: 'bus', fn: 'publish', args: [], source, run, events };
}

test('granted types are published, in the tenant of the caller', async () => {
  const { broker, published } = brokerWith({ ...NO_GRANTS, bus: { publish: ['order.*', 'audit.>'] } });
  const answer = await broker.perform(tenant, publishing(['order.paid', 'audit.a.b']), signal);
  expect(answer).toEqual({ kind: 'ok', output: '{"ids":["e0","e1"]}' });
  expect(published).toMatchObject([
    { tenant: 'alpha', messages: [{ type: 'order.paid' }, { type: 'audit.a.b' }] },
  ]);
});

test.each(['order', 'order.a.b', 'other', 'audit'])(
  '%s is denied, nothing is published, and the operator reads the line that would grant it',
  async (type) => {
    const { broker, published, denied } = brokerWith({
      ...NO_GRANTS,
      bus: { publish: ['order.*', 'audit.>'] },
    });
    const answer = await broker.perform(tenant, publishing(['order.paid', type]), signal);
    expect(answer).toMatchObject({
      kind: 'problem',
      problem: {
        code: 'capability_denied',
        message: `The provider orders may not publish events of the type ${type}.`,
        retryable: false,
      },
    });
    expect(published).toEqual([]);
    expect(denied).toEqual([expect.stringContaining(`alpha orders The provider orders may not`)]);
    expect(denied[0]).toContain(`bus: { publish: ["${type}"] }`);
  },
);

test('no grant denies everything', async () => {
  const { broker, published } = brokerWith(NO_GRANTS);
  expect(await broker.perform(tenant, publishing(['order.paid']), signal)).toMatchObject({
    problem: { code: 'capability_denied' },
  });
  expect(published).toEqual([]);
});

test.each(['>', '*', 'order.*', 'order.result', 'a'.repeat(10_000), ''])(
  'the type %j reaches no subject, whatever the grant',
  async (type) => {
    const { broker, published } = brokerWith({ ...NO_GRANTS, bus: { publish: ['>'] } });
    expect(await broker.perform(tenant, publishing([type]), signal)).toMatchObject({
      problem: { code: 'event_type_invalid' },
    });
    expect(published).toEqual([]);
  },
);

test("a flow publishes any type, and its run's journal goes with the events", async () => {
  const { broker, published } = brokerWith(NO_GRANTS);
  const run = { runId: 'r1', flow: 'f', node: 'n', journal: [{ ordinal: 0, entry: '{}' }] };
  expect(await broker.perform(tenant, publishing(['any.type'], 'flow:f', run), signal)).toMatchObject({
    kind: 'ok',
  });
  expect(published).toMatchObject([{ journal: [{ runId: 'r1', ordinal: 0, entry: '{}' }] }]);
});

test('what this host does not offer is denied', async () => {
  const { broker } = brokerWith(NO_GRANTS);
  const effect: Effect = {
    capability: 'http',
    fn: 'send',
    args: ['{}'],
    source: 'orders',
    run: null,
    events: [],
  };
  expect(await broker.perform(tenant, effect, signal)).toMatchObject({
    problem: { code: 'capability_denied' },
  });
});

test('every publish is reported for the audit with its types, denied ones with the reason', async () => {
  const { broker, records } = brokerWith({ ...NO_GRANTS, bus: { publish: ['order.*'] } });
  const { signal } = new AbortController();
  await broker.perform(tenant, publishing(['order.paid', 'order.paid', 'order.sent']), signal);
  await broker.perform(tenant, publishing(['mail.sent']), signal);
  const shared = {
    tenant,
    source: 'orders',
    runId: null,
    node: null,
    trace: null,
    capability: 'bus',
    fn: 'publish',
  };
  expect(records).toEqual([
    { ...shared, target: 'order.paid order.sent', decision: 'done', code: null, durationMs: 0 },
    { ...shared, target: 'mail.sent', decision: 'denied', code: 'capability_denied', durationMs: 0 },
  ]);
});

test('a flow starts another one by an event that says so beside it, and nobody else does', async () => {
  const { broker, published } = brokerWith({ ...NO_GRANTS, bus: { publish: ['>'] } });
  const call = (source: string, name: string): Effect => ({
    ...publishing(['host.call'], source),
    fn: 'call',
    args: [name],
  });
  expect(await broker.perform(tenant, call('flow:front', 'later'), signal)).toMatchObject({ kind: 'ok' });
  expect(published).toMatchObject([{ messages: [{ id: 'e0', schedule: 'call:later' }] }]);
  for (const bad of [call('orders', 'later'), call('flow:front', 'no name'), call('flow:front', '')]) {
    expect(await broker.perform(tenant, bad, signal)).toMatchObject({
      problem: { code: 'capability_denied' },
    });
  }
  expect(published).toHaveLength(1);
});

test.each(['host.call', 'host.resume', 'host.dead_letter', 'host.anything'])(
  'nothing that comes from a cell is an event of the type %s',
  async (type) => {
    const { broker, published } = brokerWith({ ...NO_GRANTS, bus: { publish: ['>'] } });
    const call: Effect = { ...publishing([type], 'flow:front'), fn: 'call', args: ['later'] };
    const refused = [publishing([type]), publishing(['order.paid', type], 'flow:front')];
    for (const effect of type === 'host.call' ? refused : [...refused, call]) {
      expect(await broker.perform(tenant, effect, signal)).toMatchObject({
        problem: { code: 'event_type_reserved', retryable: false },
      });
    }
    expect(published).toEqual([]);
  },
);

test('an entry of a journal is written into the run that was checked, whatever run it names besides', async () => {
  const { broker, published } = brokerWith({ ...NO_GRANTS, bus: { publish: ['>'] } });
  const forged = { ordinal: 0, entry: '{}', runId: 'of-another-tenant' };
  const run = { runId: 'own', flow: 'f', node: 'n', journal: [forged] };
  await broker.perform(tenant, publishing(['order.paid'], 'orders', run), signal);
  expect(published).toMatchObject([{ journal: [{ runId: 'own', ordinal: 0, entry: '{}' }] }]);
});
