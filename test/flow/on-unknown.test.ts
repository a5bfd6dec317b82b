import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { HttpGrant, httpGrantShape } from '../../host/grant/http-grant.ts';
import type { EffectAnswer, RunOutcome } from '../../host/sandbox/protocol.ts';
import { flowOf, type Harness, harness, outputOf, type RunOptions, run } from './harness.ts';

const operations = ['send'];
const reach: FlowReach = {
  ...NO_REACH,
  grants: {
    ...NO_GRANTS,
    http: new HttpGrant(httpGrantShape.parse({ hosts: ['a.example'], methods: ['POST'] })),
  },
  providers: new Map([
    ['mail', { kind: 'email', invokes: true, operations }],
    ['phone', { kind: 'sms', invokes: true, operations }],
    ['other', { kind: 'custom', invokes: true, operations }],
  ]),
};

const call = (provider: string, keys = '') =>
  `- { id: a, type: event, config: { provider: ${provider}, action: send }, ${keys} next: b }
- { id: b, type: transform, config: { value: done } }`;

/** What the bus keeps of a run. */
class Store {
  readonly journal: string[] = [];

  record(h: Harness): Harness {
    h.answerRecord = async ({ journal }) => {
      for (const { ordinal, entry } of journal) this.journal[ordinal] = entry;
      return { kind: 'ok', output: 'null' };
    };
    return h;
  }
}

const go = (nodes: string, h: Harness, options: RunOptions = {}) => run(nodes, h, { reach, ...options });

/** Calls the provider, and is killed before the answer is there. */
async function killed(nodes: string, store: Store, options: RunOptions = {}): Promise<void> {
  const h = store.record(harness());
  const called = Promise.withResolvers<void>();
  h.answerCall = () => {
    called.resolve();
    return new Promise(() => undefined);
  };
  void go(nodes, h, { journal: [...store.journal], ...options });
  await called.promise;
}

function again(nodes: string, store: Store, h = harness(), position = 1, target = 'a'): Promise<RunOutcome> {
  return go(nodes, store.record(h), { journal: Object.values(store.journal), position, target });
}

function answering(answer: EffectAnswer): Harness {
  const h = harness();
  h.answerCall = async ({ spend }) => {
    spend();
    return answer;
  };
  return h;
}

describe('an effect that may have happened', () => {
  test.each(['mail', 'phone'])('of %s is not repeated: the run fails and says how to go on', async (name) => {
    const store = new Store();
    await killed(call(name), store);
    const h = harness();
    const { error } = await again(call(name), store, h);
    expect(h.calls).toEqual([]);
    expect(error).toMatchObject({ code: 'effect_unknown', node: 'a', retryable: false });
    expect(error?.message).toContain(`The effect of the node a (send of ${name}) may have happened`);
    expect(error?.message).toContain('gtpack dlq replay');
    expect(error?.message).toContain('on_unknown: repeat');
    // However often it comes again.
    expect((await again(call(name), store, h)).error?.code).toBe('effect_unknown');
  });

  test('is done again by a replay, which has another position, and is recorded anew', async () => {
    const store = new Store();
    await killed(call('mail'), store);
    await killed(call('mail'), store, { position: 2 });
    const h = harness();
    expect((await again(call('mail'), store, h, 2)).error?.code).toBe('effect_unknown');
    expect(h.calls).toEqual([]);
    expect(outputOf(await again(call('mail'), store, h, 3))).toBe('done');
    expect(h.calls.length).toBe(1);
  });

  test.each([
    ['other', ''],
    ['mail', 'on_unknown: repeat,'],
  ])('of %s with %j is repeated, and costs no record before it', async (name, keys) => {
    const store = new Store();
    await killed(call(name, keys), store);
    expect(store.journal).toEqual([]);
    const h = harness();
    expect(outputOf(await again(call(name, keys), store, h))).toBe('done');
    expect(h.calls.length).toBe(1);
  });

  test('of an http node with `fail` is not repeated, and its flow may say how to go on', async () => {
    const nodes = `- { id: a, type: http, config: { url: "https://a.example/", method: POST }, on_unknown: fail, on_error: b }
- { id: b, type: transform, config: { value: "{{ error.code }}" } }`;
    const store = new Store();
    const h = store.record(harness());
    const sent = Promise.withResolvers<void>();
    h.answerEffect = () => {
      sent.resolve();
      return new Promise(() => undefined);
    };
    void go(nodes, h);
    await sent.promise;
    const later = harness();
    expect(outputOf(await again(nodes, store, later))).toBe('effect_unknown');
    expect(later.effects).toEqual([]);
  });

  test.each(['http_interrupted', 'http_response_invalid'])(
    'of which no answer was heard (%s) is unknown, too, and not tried again; with `repeat` it is, under the same key',
    async (code) => {
      const problem = { code, message: 'It broke off.', retryable: true };
      const nodes = (policy: string) => call('mail', `${policy} retry: { attempts: 2, backoff: 1ms },`);
      const store = new Store();
      const once = store.record(answering({ kind: 'problem', problem }));
      const { error } = await go(nodes(''), once);
      expect(error).toMatchObject({ code: 'effect_unknown', retryable: false });
      expect(error?.message).toContain(code);
      expect(once.calls).toHaveLength(1);
      expect((await again(nodes(''), store)).error?.code).toBe('effect_unknown');
      const twice = answering({ kind: 'problem', problem });
      expect((await go(nodes('on_unknown: repeat,'), twice)).error?.code).toBe(code);
      expect(twice.calls).toHaveLength(2);
      expect(new Set(twice.calls.map(({ key }) => key)).size).toBe(1);
      // What was certainly not done is tried again by either policy.
      const known = answering({ kind: 'problem', problem: { ...problem, code: 'http_unreachable' } });
      expect((await go(nodes(''), known)).error?.code).toBe('http_unreachable');
      expect(known.calls).toHaveLength(2);
    },
  );

  test('and was not over in time is unknown, too, and not tried again', async () => {
    const store = new Store();
    const h = store.record(harness());
    h.answerCall = () => new Promise(() => undefined);
    h.after = (_, due) => {
      queueMicrotask(due);
      return () => undefined;
    };
    const nodes = call('mail', 'timeout: 1s, retry: { attempts: 5 },');
    const { error } = await go(nodes, h);
    expect(error).toMatchObject({ code: 'effect_unknown', retryable: false });
    expect(h.calls.length).toBe(1);
    expect((await again(nodes, store)).error?.code).toBe('effect_unknown');
  });
});

describe('an effect that may have happened, beside another chain', () => {
  const nodes = `- { id: both, type: parallel, config: { branches: { one: a, two: y } } }
- { id: a, type: event, config: { provider: mail, action: send }, next: end }
- { id: y, type: event, config: { provider: other, action: send }, next: end }`;

  test('is not repeated, though the other chain recorded what was known of it since', async () => {
    const store = new Store();
    const h = store.record(harness());
    const stored = h.answerRecord;
    const isLost = Promise.withResolvers<void>();
    h.answerRecord = async (journal) => {
      // The mail is sent; the bus is away for what became of it, and is back for the other chain.
      if (!journal.journal.some(({ entry }) => JSON.parse(entry).status === 'ok') || h.calls.length < 2)
        return stored(journal);
      h.answerRecord = stored;
      setImmediate(isLost.resolve);
      return { kind: 'problem', problem: { code: 'bus_unavailable', message: 'Away.', retryable: true } };
    };
    h.answerCall = async ({ provider }) => {
      if (provider === 'other') await isLost.promise;
      return { kind: 'ok', output: '{}' };
    };
    const { error } = await go(nodes, h, { target: 'both' });
    expect(error).toMatchObject({ code: 'bus_unavailable', retryable: true });
    expect(Object.values(store.journal).some((entry) => JSON.parse(entry).node === 'y')).toBe(true);
    const later = harness();
    expect((await again(nodes, store, later, 1, 'both')).error?.code).toBe('effect_unknown');
    expect(later.calls).toEqual([]);
  });
});

test.each(['bus_unavailable', 'bus_disk_full', 'bus_refused'])(
  'an effect whose outcome meets %s is not repeated once there is room again',
  async (code) => {
    const store = new Store();
    const h = store.record(harness());
    const stored = h.answerRecord;
    h.answerRecord = async (journal) => {
      if (h.calls.length === 0) return stored(journal);
      h.answerRecord = stored;
      return { kind: 'problem', problem: { code, message: 'Nothing was stored.', retryable: true } };
    };
    expect((await go(call('mail'), h)).error?.code).toBe(code);
    const later = harness();
    expect((await again(call('mail'), store, later)).error?.code).toBe('effect_unknown');
    expect(later.calls).toEqual([]);
  },
);

describe('an effect of which the outcome was recorded', () => {
  test('is not done again, and the run goes on', async () => {
    const store = new Store();
    const first = store.record(answering({ kind: 'ok', output: '{"id":1}' }));
    expect(outputOf(await go(call('mail'), first))).toBe('done');
    const h = harness();
    expect(outputOf(await again(call('mail'), store, h))).toBe('done');
    expect(h.calls).toEqual([]);
  });

  test('and was a passing failure is done again on the next delivery', async () => {
    const store = new Store();
    const problem = { code: 'busy', message: 'Not now.', retryable: true };
    const failed = await again(call('mail'), store, answering({ kind: 'problem', problem }));
    expect(failed).toMatchObject({ status: 'error', error: { code: 'busy', retryable: true } });
    const h = harness();
    expect(outputOf(await again(call('mail'), store, h))).toBe('done');
    expect(h.calls.length).toBe(1);
  });

  test('that an effect begins is recorded with all that was not recorded before', async () => {
    const h = harness();
    const nodes = `- { id: z, type: transform, config: { value: 1 }, next: a }\n${call('mail')}`;
    expect(outputOf(await go(nodes, h, { target: 'z' }))).toBe('done');
    expect(h.records.map(({ journal }) => journal.map(({ entry }) => JSON.parse(entry).status))).toEqual([
      ['ok', 'started'],
      ['ok'],
    ]);
  });
});

test('`on_unknown` is refused where there is nothing to be unknown, and with another word', async () => {
  const refused = async (node: string): Promise<string> => {
    const error = await flowOf(node, 'a', reach).catch((thrown: unknown) => thrown);
    if (error instanceof GtpackError) return error.message;
    throw new Error('The flow was accepted.');
  };
  expect(await refused('- { id: a, type: transform, config: { value: 1 }, on_unknown: fail }')).toContain(
    'orders.ygtc:4:53: nodes[0]: `on_unknown` means nothing to a node of type transform',
  );
  expect(
    await refused('- { id: a, type: event, config: { provider: mail, action: send }, on_unknown: no }'),
  ).toContain('"repeat" or "fail" was expected.');
});
