import { describe, expect, test } from 'vitest';
import { GtpackError } from '../../host/errors.ts';
import { type FlowReach, NO_REACH } from '../../host/flow/flow-reach.ts';
import { flowOf, type Harness, harness, journalOf, outputOf, RUN, run } from './harness.ts';

const reach: FlowReach = {
  ...NO_REACH,
  providers: new Map([
    ['mail', { invokes: true, operations: ['send_email', 'send_sms'] }],
    ['hooks', { invokes: false, operations: [] }],
  ]),
};

const nodes = `
- { id: a, type: event, config: { provider: mail, action: send_email, to: "{{ event.payload.name }}", order: { id: "{{ event.payload.order.id }}" }, n: 1 }, output: sent, next: b }
- { id: b, type: transform, config: { value: "{{ sent.id }}" } }
`;

async function refusal(config: string): Promise<string> {
  try {
    await flowOf(`- { id: a, type: event, config: ${config} }`, 'a', reach);
  } catch (error) {
    if (error instanceof GtpackError) return error.message;
  }
  throw new Error('The flow was accepted.');
}

describe('when the flow is loaded', () => {
  test.each([
    [
      '{ provider: mial, action: send_email }',
      'provider: The tenant has no provider "mial". Did you mean "mail"?',
    ],
    ['{ provider: x, action: send_email }', 'The tenant has no provider "x". Known here: mail, hooks.'],
    [
      '{ provider: mail, action: send_mail }',
      'The provider mail has no operation "send_mail". Did you mean "send_email"?',
    ],
    [
      '{ provider: mail, action: fax }',
      'The provider mail has no operation "fax". Known here: send_email, send_sms.',
    ],
    ['{ provider: hooks, action: x }', 'The provider hooks has no operations: its pack exports no `invoke`.'],
    ['{ provider: "{{ event.id }}", action: x }', 'no template'],
    ['{ provider: mail, action: "{{ event.id }}" }', 'no template'],
  ])('%s is refused with its place', async (config, message) => {
    const text = await refusal(config);
    expect(text).toMatch(/^orders\.ygtc:4:\d+: nodes\[0\]\.config\./);
    expect(text).toContain(message);
  });
});

describe('a call', () => {
  test('gets every key but provider and action as its input, and its output is the node’s', async () => {
    const h = harness();
    h.answerCall = async () => ({ kind: 'ok', output: '{"id":"m1"}' });
    expect(outputOf(await run(nodes, h, { reach }))).toBe('m1');
    expect(h.calls).toMatchObject([
      {
        provider: 'mail',
        operation: 'send_email',
        run: { runId: RUN, flow: 'orders', node: 'a', journal: [] },
        cause: { id: 'e1', metadata: { hops: 2 } },
      },
    ]);
    expect(JSON.parse(h.calls[0]?.input ?? '')).toEqual({ to: 'Ann', order: { id: 42 }, n: 1 });
    expect(h.effects).toEqual([]);
  });

  test('has the same key on every attempt', async () => {
    const keyOf = async (): Promise<string | undefined> => {
      const h = harness();
      await run(nodes, h, { reach });
      return h.calls[0]?.key;
    };
    expect(await keyOf()).toMatch(/^[0-9a-f]{32}$/);
    expect(await keyOf()).toBe(await keyOf());
  });

  test("fails its node with the provider's own problem", async () => {
    const h = harness();
    const problem = { code: 'mailbox_full', message: 'Try later.', retryable: true };
    h.answerCall = async () => ({ kind: 'problem', problem });
    const { error } = await run(nodes, h, { reach });
    expect(error).toEqual({
      code: 'mailbox_full',
      retryable: true,
      node: 'a',
      message: 'orders.ygtc:5: Try later.',
    });
    expect(h.records).toEqual([]);
  });

  test('fails its node with what the provider did wrong', async () => {
    const h = harness();
    h.answerCall = () => Promise.reject(new GtpackError('guest_trap', 'The provider mail trapped.'));
    expect((await run(nodes, h, { reach })).error).toMatchObject({ code: 'guest_trap', node: 'a' });
  });

  test('with an input that is larger than any event is not made', async () => {
    const h = harness();
    const limits = { maxEventBytes: 1000 };
    const large = `- { id: a, type: event, config: { provider: mail, action: send_email, text: ${'x'.repeat(1000)} } }`;
    expect((await run(large, h, { reach, limits })).error?.code).toBe('json_too_large');
    expect(h.calls).toEqual([]);
  });

  test('whose output is larger than any event fails its node', async () => {
    const h = harness();
    h.answerCall = async () => ({ kind: 'ok', output: JSON.stringify('x'.repeat(1000)) });
    const { error } = await run(nodes, h, { reach, limits: { maxEventBytes: 1000 } });
    expect(error).toMatchObject({ code: 'json_too_large', node: 'a' });
  });
});

/** Answers calls after `effects` of the provider's own. */
function spending(h: Harness, effects: number): string[] {
  const refused: string[] = [];
  h.answerCall = async ({ spend }) => {
    for (let at = 0; at < effects; at += 1) {
      const refusal = spend();
      if (refusal !== undefined) refused.push(refusal.code);
    }
    return { kind: 'ok', output: '{"id":"m1"}' };
  };
  return refused;
}

describe("a provider's effects", () => {
  const twice = `
- { id: a, type: event, config: { provider: mail, action: send_sms }, next: b }
- { id: b, type: event, config: { provider: mail, action: send_sms }, next: c }
- { id: c, type: publish, config: { event_type: x, payload: 1 } }
`;

  test('count for the run, over all of its deliveries', async () => {
    const h = harness();
    const refused = spending(h, 2);
    const limits = { maxEffectsPerRun: 3 };
    const outcome = await run(twice, h, { reach, limits });
    expect(refused).toEqual(['flow_too_many_effects']);
    expect(outcome.error).toMatchObject({ code: 'flow_too_many_effects', node: 'c' });
    expect(journalOf(outcome)).toMatchObject([{ effects: 2 }, { effects: 1 }, { status: 'error' }]);

    const again = harness();
    const journal = h.records.flatMap((record) => record.journal.map(({ entry }) => entry));
    expect((await run(twice, again, { reach, limits, journal })).error?.code).toBe('flow_too_many_effects');
    expect(again.calls).toEqual([]);
    expect(again.effects).toEqual([]);
  });

  test('are refused once its run has given it up', async () => {
    const h = harness();
    const asked = Promise.withResolvers<() => GtpackError | undefined>();
    h.answerCall = ({ spend }) => {
      asked.resolve(spend);
      return new Promise(() => undefined);
    };
    const { error } = await run(nodes, h, { reach, limits: { effectCallWallMs: 1 } });
    expect(error).toMatchObject({ code: 'flow_effect_timeout', retryable: true, node: 'a' });
    const spend = await asked.promise;
    expect(spend()?.code).toBe('flow_effect_timeout');
  });
});

test('B3: a call is recorded before the next node starts, and not made again by a redelivered run', async () => {
  const h = harness();
  h.answerCall = async () => ({ kind: 'ok', output: '{"id":"m1"}' });
  const whole = await run(nodes, h, { reach });
  expect(h.records.map((record) => record.journal.length)).toEqual([1]);
  const journal = h.records.flatMap((record) => record.journal.map(({ entry }) => entry));
  const again = harness();
  const resumed = await run(nodes, again, { reach, journal });
  expect(again.calls).toEqual([]);
  expect(resumed.output).toBe(whole.output);
});

describe('a component node', () => {
  const own = new Map([['sender', 'mail']]);
  const node = (config: string) => `- { id: a, type: component, config: ${config} }`;
  const refused = async (config: string, of: FlowReach): Promise<string> => {
    const error = await flowOf(node(config), 'a', of).catch((thrown: unknown) => thrown);
    if (error instanceof GtpackError) return error.message;
    throw new Error('The flow was accepted.');
  };

  test("calls an operation of a provider of its flow's own pack, whatever the bundle calls that", async () => {
    const h = harness();
    const config = '{ operation: send_sms, input: { to: "{{ event.payload.name }}" } }';
    expect(outputOf(await run(node(config), h, { reach: { ...reach, own } }))).toEqual({});
    const named = '{ provider: sender, operation: send_sms, input: ["{{ event.payload.name }}"] }';
    await run(node(named), h, { reach: { ...reach, own } });
    expect(h.calls).toMatchObject([
      { provider: 'mail', operation: 'send_sms', input: '{"to":"Ann"}' },
      { provider: 'mail', operation: 'send_sms', input: '["Ann"]' },
    ]);
  });

  test('is refused with what is wrong: no pack, no such provider or operation, a provider to be named', async () => {
    const two = new Map([...own, ['other', 'hooks']]);
    expect(await refused('{ operation: send_sms }', reach)).toContain(
      'orders.ygtc:4:39: nodes[0].config: This flow is in no pack, so that it has no component of its own.',
    );
    expect(await refused('{ operation: fax }', { ...reach, own })).toContain(
      'config.operation: The provider mail has no operation "fax". Known here: send_email, send_sms.',
    );
    expect(await refused('{ provider: snder, operation: fax }', { ...reach, own })).toContain(
      'config.provider: The pack has no provider "snder". Did you mean "sender"?',
    );
    expect(await refused('{ operation: send_sms }', { ...reach, own: two })).toContain(
      '`provider` is missing. Known here: sender, other.',
    );
  });
});
