import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { EVENT, flowOf, type Harness, harness, outputOf, type RunOptions, run } from './harness.ts';

const wait = (config: string, more = '') =>
  `- { id: z, type: transform, config: { value: 5 }, next: a }
- { id: a, type: wait, config: ${config}${more}, next: b }
- { id: b, type: transform, config: { value: "{{ [input, size(steps)] }}" } }`;

const go = (nodes: string, h: Harness, options: RunOptions = {}) =>
  run(nodes, h, { target: 'z', ...options });

/** What the bus keeps of a run. */
function recorded(h: Harness): string[] {
  const entries = new Map<number, string>();
  for (const { journal } of h.records) for (const { ordinal, entry } of journal) entries.set(ordinal, entry);
  return [...entries].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
}

describe('a wait', () => {
  test('parks its run: until when is recorded with all before it, and nothing is held in the cell', async () => {
    const h = harness(1_000);
    const outcome = await go(wait('{ duration: 10m }'), h);
    expect(outcome.status).toBe('waiting');
    expect(outcome.waitMs).toBeGreaterThan(599_000);
    expect(outcome.waitMs).toBeLessThanOrEqual(600_000);
    const journal = recorded(h);
    expect(journal.map((entry) => JSON.parse(entry))).toMatchObject([
      { node: 'z', status: 'ok' },
      { node: 'a', status: 'waiting', waits: 1 },
    ]);

    const early = harness(300_000);
    expect(await go(wait('{ duration: 10m }'), early, { journal })).toMatchObject({ status: 'waiting' });
    expect(early.records).toEqual([]);

    // A restart, or another `duration` in the flow by then, moves it not.
    const due = harness(602_000);
    const resumed = await go(wait('{ duration: 20m }'), due, { journal });
    expect(outputOf(resumed)).toEqual([5, 1]);
    expect(resumed.waits).toBe(1);
  });

  test('of two seconds or less is spent in the cell, and costs no record', async () => {
    const h = harness();
    const waits: number[] = [];
    h.after = (ms, due) => {
      waits.push(ms);
      queueMicrotask(due);
      return () => undefined;
    };
    expect(outputOf(await go(wait('{ duration: 2s }'), h))).toEqual([5, 1]);
    expect(waits).toHaveLength(1);
    expect(h.records).toEqual([]);
  });

  test.each([
    ['"1970-01-01T00:10:00Z"', 600_000],
    ['"1970-01-01T01:10:00+01:00"', 600_000],
    ['"{{ 600000 }}"', 600_000],
    ['600000', 600_000],
  ])('until %s ends then', async (until, at) => {
    const h = harness(1_000);
    const outcome = await go(wait(`{ until: ${until} }`), h);
    expect(outcome.status).toBe('waiting');
    expect(JSON.parse(recorded(h)[1] ?? '')).toMatchObject({ due: at });
  });

  test('until a time that is over goes on at once', async () => {
    expect(outputOf(await go(wait('{ until: "1970-01-01T00:00:00Z" }'), harness()))).toEqual([5, 1]);
  });

  test.each([
    ['"{{ \'tomorrow\' }}"', 'waits until a time as in "2030-01-31T09:00:00Z"'],
    ['"{{ \'2030-01-31T09:00:00\' }}"', 'waits until a time as in'],
    ['"{{ input + 1e12 }}"', 'would wait for 11575 days; at most 31 are allowed'],
  ])('until %s fails its node', async (until, message) => {
    const { error } = await go(wait(`{ until: ${until} }`), harness());
    expect(error).toMatchObject({ code: 'flow_wait_invalid', node: 'a', retryable: false });
    expect(error?.message).toContain(message);
  });

  test('in rounds that go one by one holds up those after it, and with more at a time it does not', async () => {
    const nodes = (concurrency: number) => `
- { id: z, type: foreach, config: { items: [1, 2], do: x, concurrency: ${concurrency} } }
- { id: x, type: publish, config: { event_type: seen, payload: "{{ item }}" }, next: y }
- { id: y, type: wait, config: { duration: 1h } }`;
    for (const [concurrency, published] of [
      [1, 1],
      [2, 2],
    ] as const) {
      const h = harness();
      expect(await go(nodes(concurrency), h)).toMatchObject({ status: 'waiting' });
      expect(h.effects).toHaveLength(published);
    }
  });
});

describe('a wait for an event', () => {
  const nodes = `- { id: a, type: wait, config: { event: "x.*", when: "arrived.payload.n == event.payload.order.id", timeout: 1h } }`;
  const parked = async () => {
    const h = harness();
    const outcome = await run(nodes, h);
    return { h, outcome, journal: recorded(h) };
  };
  const asked = async (journal: readonly string[], payload: object, isOffer: boolean, h: Harness) => {
    const event = JSON.stringify({ ...EVENT, id: 'came', event_type: 'x.y', payload });
    return run(nodes, h, { journal, arrived: { ordinal: 0, event, isOffer } });
  };

  test('parks however short it is, and says what it waits for', async () => {
    const { outcome } = await parked();
    expect(outcome).toMatchObject({
      status: 'waiting',
      parked: {
        waits: 1,
        awaits: { ordinal: 0, pattern: 'x.*', key: { path: ['payload', 'n'], value: '42' } },
      },
    });
  });

  test('is asked whether an event is the one, and goes on with nothing', async () => {
    const { journal } = await parked();
    for (const [n, status] of [
      [42, 'waiting'],
      [41, 'passed'],
    ] as const) {
      const h = harness();
      expect(await asked(journal, { n }, true, h)).toMatchObject({ status });
      expect([h.records, h.answers, h.effects]).toEqual([[], [], []]);
    }
  });

  test('of another entry of the journal gets no event that is not its own', async () => {
    const { journal } = await parked();
    const event = JSON.stringify({ ...EVENT, payload: { n: 42 } });
    const outcome = await run(nodes, harness(), { journal, arrived: { ordinal: 3, event } });
    expect(outcome).toMatchObject({ status: 'waiting', parked: { awaits: { ordinal: 0 } } });
  });

  test('fails where what it goes on with is too large to be parked, or the event that came is', async () => {
    const payload = { text: '"'.repeat(100_000) };
    const outcome = await run(nodes.replace(/when: .*, timeout/, 'timeout'), harness(), {
      event: { payload },
    });
    expect(outcome.error).toMatchObject({ code: 'flow_wait_invalid', node: 'a', retryable: false });
    const { journal } = await parked();
    const { error } = await run(nodes, harness(), { journal, arrived: { ordinal: 0, event: null } });
    expect(error).toMatchObject({ code: 'flow_wait_invalid', message: expect.stringContaining('too large') });
  });
});

describe('when the flow is loaded', () => {
  const refused = async (nodes: string): Promise<string> => {
    const error = await flowOf(nodes).catch((thrown: unknown) => thrown);
    if (error instanceof GtpackError) return error.message;
    throw new Error('The flow was accepted.');
  };

  test.each([
    ['{ }', 'config: Neither `duration` nor `until` nor `event` is given. Give one of them'],
    ['{ duration: 1s, until: 5 }', 'config: Both `duration` and `until` are given.'],
    ['{ duration: 32d }', 'config.duration: '],
    ['{ until: "{{ nothing }}" }', 'config.until: '],
    ['{ event_type: a.b }', 'Unknown key "event_type"'],
  ])('%s is refused', async (config, message) => {
    expect(await refused(`- { id: a, type: wait, config: ${config} }`)).toContain(message);
  });

  test('`timeout` and `retry` mean nothing to a wait', async () => {
    const keys = 'timeout: 1s, retry: { attempts: 2 }';
    const message = await refused(`- { id: a, type: wait, config: { duration: 1s }, ${keys} }`);
    expect(message).toContain('`timeout` means nothing to a wait');
    expect(message).toContain('`retry` means nothing to a wait');
  });

  test('a cycle in which a run waits is a loop, and one without is refused', async () => {
    const loop = (type: string) => `
- { id: a, type: branch, config: { conditions: [{ expression: "event.payload.order.id == 1", next: end }], default: w } }
- { id: w, ${type}, next: a }`;
    await flowOf(loop('type: wait, config: { duration: 1m }'));
    expect(await refused(loop('type: transform, config: { value: 1 }'))).toContain('form a cycle: a → w → a');
  });

  test('a loop comes to its end after as many steps as a run may take', async () => {
    const nodes = `
- { id: a, type: transform, config: { value: 1 }, next: w }
- { id: w, type: wait, config: { duration: 1ms }, next: a }`;
    const outcome = await run(nodes, harness(), { limits: { maxFlowSteps: 20 } });
    expect(outcome.error?.code).toBe('flow_too_many_steps');
  });
});
