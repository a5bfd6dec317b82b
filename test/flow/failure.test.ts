import { describe, expect, test } from 'vitest';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { parseRetryAfterMs, retryDelayMs } from '../../host/flow/retry.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { HttpGrant, httpGrantShape } from '../../host/grant/http-grant.ts';
import type { EffectAnswer } from '../../host/sandbox/protocol.ts';
import { type Harness, harness, journalOf, outputOf, type RunOptions, run } from './harness.ts';

const reach: FlowReach = {
  ...NO_REACH,
  grants: {
    ...NO_GRANTS,
    http: new HttpGrant(httpGrantShape.parse({ hosts: ['a.example'], methods: ['POST'] })),
  },
};

function answered(status: number, headers: Record<string, string> = {}): EffectAnswer {
  return {
    kind: 'ok',
    output: JSON.stringify({ status, headers, body: `${status}`, body_encoding: 'utf8' }),
  };
}

/** Answers one after the other; the last one again and again. */
function answering(h: Harness, ...answers: EffectAnswer[]): Harness {
  h.answerEffect = async () => answers[Math.min(h.effects.length, answers.length) - 1] ?? answered(500);
  return h;
}

/** Waits that pass at once, and are kept. */
function impatient(h: Harness): number[] {
  const waits: number[] = [];
  h.after = (ms, due) => {
    if (ms >= 20_000) return () => undefined;
    waits.push(ms);
    queueMicrotask(due);
    return () => undefined;
  };
  return waits;
}

function recorded(h: Harness): string[] {
  const entries = new Map<number, string>();
  for (const { journal } of h.records) for (const { ordinal, entry } of journal) entries.set(ordinal, entry);
  return [...entries].toSorted(([a], [b]) => a - b).map(([, entry]) => entry);
}

const go = (nodes: string, h: Harness, options: RunOptions = {}) => run(nodes, h, { reach, ...options });

const call = (keys: string) =>
  `- { id: a, type: http, config: { url: "https://a.example/", method: POST }, ${keys} }`;

describe('retry', () => {
  test('a passing failure is tried again with the same idempotency key, and its tries are counted', async () => {
    const h = answering(harness(), answered(503), answered(503), answered(200));
    const waits = impatient(h);
    const outcome = await go(call('retry: { attempts: 3, backoff: 1s }'), h);
    expect(outputOf(outcome)).toMatchObject({ status: 200 });
    // The clock of a test goes on at each look.
    expect(waits.map((ms) => Math.ceil(ms / 100) * 100)).toEqual([500, 1000]);
    const keys = h.effects.map(({ key }) => key);
    expect(new Set(keys).size).toBe(1);
    expect(journalOf(outcome)).toMatchObject([
      {
        status: 'ok',
        effects: 3,
        tries: [{ code: 'http_status_unexpected' }, { code: 'http_status_unexpected' }],
      },
    ]);
  });

  test('what would fail again the same way is not tried again', async () => {
    const h = answering(harness(), answered(404));
    const outcome = await go(call('retry: { attempts: 3 }'), h);
    expect(outcome).toMatchObject({ status: 'error', error: { code: 'http_status_unexpected' } });
    expect(h.effects.length).toBe(1);
  });

  test('after the last try the node has failed', async () => {
    const h = answering(harness(), answered(503));
    impatient(h);
    const outcome = await go(call('retry: { attempts: 3, backoff: 1s }'), h);
    expect(outcome).toMatchObject({ status: 'error', error: { node: 'a', retryable: true } });
    expect(h.effects.length).toBe(3);
  });

  test('no try is sooner than Retry-After, and a long wait puts the run off with its next try recorded', async () => {
    const h = answering(harness(), answered(429, { 'retry-after': '30' }));
    const outcome = await go(call('retry: { attempts: 3, backoff: 1s }'), h);
    expect(outcome.status).toBe('waiting');
    expect(outcome.waitMs).toBeGreaterThan(29_000);
    expect(outcome.waitMs).toBeLessThanOrEqual(30_000);
    const journal = recorded(h);
    expect(JSON.parse(journal[0] ?? '')).toMatchObject({
      node: 'a',
      status: 'retrying',
      waits: 1,
      effects: 1,
    });

    const early = harness();
    expect((await go(call('retry: { attempts: 3, backoff: 1s }'), early, { journal })).status).toBe(
      'waiting',
    );
    expect(early.effects).toEqual([]);

    const due = answering(harness(40_000), answered(200));
    const resumed = await go(call('retry: { attempts: 3, backoff: 1s }'), due, { journal });
    expect(outputOf(resumed)).toMatchObject({ status: 200 });
    expect(resumed.waits).toBe(1);
    expect(journalOf(resumed)).toMatchObject([{ status: 'ok', effects: 2, tries: [{}] }]);
    const key = (h2: Harness) => h2.effects[0]?.key;
    expect(key(due)).toBe(key(h));
  });

  test('tries that were recorded count after a restart', async () => {
    const entry = {
      n: 0,
      node: 'a',
      status: 'retrying',
      next: 'a',
      due: 0,
      tries: [
        { code: 'x', message: 'y' },
        { code: 'x', message: 'y' },
      ],
      effects: 2,
      ms: 1,
    };
    const h = answering(harness(), answered(503));
    const outcome = await go(call('retry: { attempts: 3 }'), h, { journal: [JSON.stringify(entry)] });
    expect(outcome.status).toBe('error');
    expect(h.effects.length).toBe(1);
  });

  test('every try counts against the effects of the run', async () => {
    const h = answering(harness(), answered(503));
    impatient(h);
    const outcome = await go(call('retry: { attempts: 9, backoff: 1s }'), h, {
      limits: { maxEffectsPerRun: 2 },
    });
    expect(outcome.error?.code).toBe('flow_too_many_effects');
    expect(h.effects.length).toBe(2);
  });

  test('a journal that cannot be stored puts the run off, whatever its nodes say', async () => {
    const h = answering(harness(), answered(200));
    h.answerRecord = async () => ({
      kind: 'problem',
      problem: { code: 'bus_unavailable', message: 'full', retryable: true },
    });
    const outcome = await go(call('retry: { attempts: 3 }, on_error: continue'), h);
    expect(outcome).toMatchObject({ status: 'error', error: { code: 'bus_unavailable', retryable: true } });
    expect(h.effects.length).toBe(1);
  });

  test('waits grow to their bound and are drawn below it', () => {
    const retry = { attempts: 9, backoffMs: 1000, maxBackoffMs: 3000 };
    expect([1, 2, 3].map((failed) => retryDelayMs(retry, failed, undefined, () => 0.999))).toEqual([
      999, 1998, 2997,
    ]);
    expect(retryDelayMs(retry, 1, undefined, () => 0)).toBe(0);
    expect(retryDelayMs(retry, 1, 7000, () => 0)).toBe(7000);
    expect(retryDelayMs(retry, 1, 1e12, () => 0)).toBe(86_400_000);
  });

  test('Retry-After is a number of seconds or a date', () => {
    const now = Date.parse('2026-11-24T10:00:00Z');
    expect(parseRetryAfterMs('120', now)).toBe(120_000);
    expect(parseRetryAfterMs('Tue, 24 Nov 2026 10:00:30 GMT', now)).toBe(30_000);
    expect(parseRetryAfterMs('Tue, 24 Nov 2026 09:00:00 GMT', now)).toBe(0);
    expect(parseRetryAfterMs('soon', now)).toBeUndefined();
    expect(parseRetryAfterMs(undefined, now)).toBeUndefined();
  });
});

describe('timeout', () => {
  test('a pending effect is answered with a problem, and the request is to end with its node', async () => {
    const h = harness();
    h.answerEffect = () => new Promise(() => undefined);
    h.after = (ms, due) => {
      expect(ms).toBeLessThanOrEqual(50);
      queueMicrotask(due);
      return () => undefined;
    };
    const outcome = await go(call('timeout: 50ms'), h);
    expect(outcome.error).toMatchObject({ code: 'flow_node_timeout', node: 'a', retryable: true });
    expect(JSON.parse(h.effects[0]?.args[0] ?? '').timeout_ms).toBeLessThanOrEqual(50);
  });

  test('a node that only computes is held to its time as well', async () => {
    const h = harness();
    const nodes = '- { id: a, type: transform, config: { value: 1 }, timeout: 1ms }';
    h.host.guard = (_, fn) => {
      for (let ms = 0; ms < 5; ms += 1) h.host.now();
      return fn();
    };
    expect((await go(nodes, h)).error?.code).toBe('flow_node_timeout');
  });

  test('each try has its time anew', async () => {
    const h = harness();
    h.answerEffect = async () => {
      for (let ms = 0; ms < 30; ms += 1) h.host.now();
      return h.effects.length < 3 ? answered(503) : answered(200);
    };
    impatient(h);
    const outcome = await go(call('timeout: 60ms, retry: { attempts: 3, backoff: 10ms }'), h);
    expect(outputOf(outcome)).toMatchObject({ status: 200 });
  });
});

describe('on_error', () => {
  const rest = `
- { id: b, type: transform, config: { value: ["{{ input }}", "{{ error.code }}", "{{ error.node }}", "{{ error.retryable }}"] } }
- { id: c, type: transform, config: { value: { handled: "{{ error.message }}" } } }
`;
  const first = '- { id: z, type: transform, config: { value: before }, next: a }\n';

  test('continue goes on to the next node with the input passed on and the error in scope', async () => {
    const h = answering(harness(), answered(404));
    const nodes = `${first}${call('next: b, on_error: continue')}${rest.replace(/\n- \{ id: c.*\n/, '')}`;
    const outcome = await go(nodes, h, { target: 'z' });
    expect(outputOf(outcome)).toEqual(['before', 'http_status_unexpected', 'a', false]);
    expect(journalOf(outcome)[1]).toMatchObject({
      node: 'a',
      status: 'caught',
      next: 'b',
      error: { code: 'http_status_unexpected' },
    });
  });

  test('a target is where the run goes on, and a resumed run still knows the error', async () => {
    const h = answering(harness(), answered(404));
    const nodes = `${call('next: b, on_error: c')}${rest}`;
    const outcome = await go(nodes, h);
    expect(outputOf(outcome)).toEqual({
      handled: 'POST https://a.example/ was answered with status 404; 2xx was expected.',
    });
    // What the node did is not done again.
    const again = harness();
    expect((await go(nodes, again, { journal: recorded(h) })).output).toBe(outcome.output);
    expect(again.effects).toEqual([]);
  });

  test('it is asked after the last try', async () => {
    const h = answering(harness(), answered(503));
    impatient(h);
    const outcome = await go(
      `${call('next: b, on_error: c, retry: { attempts: 2, backoff: 1s }')}${rest}`,
      h,
    );
    expect(outcome.status).toBe('ok');
    expect(h.effects.length).toBe(2);
  });

  test('before anything has failed, error is null', async () => {
    const nodes = '- { id: a, type: transform, config: { value: "{{ error == null }}" } }';
    expect(outputOf(await go(nodes, harness()))).toBe(true);
  });

  test('continue is an ordinary target where a node has that id', async () => {
    const nodes = `
- { id: a, type: transform, config: { value: "{{ event.nope }}" }, on_error: continue, next: b }
- { id: b, type: transform, config: { value: b } }
- { id: continue, type: transform, config: { value: named } }
`;
    expect(outputOf(await go(nodes, harness()))).toBe('named');
  });

  test("what is the host's to mend is not the flow's to handle", async () => {
    const h = harness();
    const problem = { code: 'host_stopping', message: 'The host is stopping.', retryable: true };
    h.answerEffect = async () => ({ kind: 'problem', problem });
    const outcome = await go(call('on_error: continue, retry: { attempts: 2 }'), h);
    expect(outcome).toMatchObject({ status: 'error', error: { code: 'host_stopping', retryable: true } });
    expect(h.effects.length).toBe(1);
  });

  test('a run that has used up its steps fails all the same', async () => {
    const nodes = `
- { id: a, type: transform, config: { value: 1 }, next: b }
- { id: b, type: transform, config: { value: 1 }, on_error: continue, next: c }
- { id: c, type: transform, config: { value: 1 }, on_error: continue }
`;
    const outcome = await go(nodes, harness(), { limits: { maxFlowSteps: 2 } });
    expect(outcome.error).toMatchObject({ code: 'flow_too_many_steps', node: 'c' });
  });
});
