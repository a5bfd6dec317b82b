import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { EffectAnswer, Job } from '../../host/sandbox/protocol.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { alpha, assemblyScriptTenant, beta, compileGuest, openSandbox, type TestSandbox } from './cell.ts';

let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await compileGuest('asking');
});

let opened: TestSandbox | undefined;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

function asking(limits: Partial<TenantCode['spec']['limits']> = {}): TenantCode {
  const code = assemblyScriptTenant(alpha, wasm);
  const [provider] = code.spec.providers;
  if (provider === undefined) throw new Error('A provider was expected.');
  return {
    ...code,
    spec: {
      ...code.spec,
      providers: [{ ...provider, exports: ['invoke'], imports: ['bus'] }],
      limits: { ...code.spec.limits, ...limits },
    },
  };
}

function invoke(operation: string, input: unknown): Job {
  return { kind: 'invoke', provider: 'guest', operation, input: JSON.stringify(input) };
}

/** A broker whose answers the test gives. */
function heldBroker() {
  const held: ((answer: EffectAnswer) => void)[] = [];
  const onEffect = () => new Promise<EffectAnswer>((resolve) => held.push(resolve));
  return { held, onEffect };
}

const DRAFT = [{ event_type: 'asked.once', payload: 1 }];

describe('a guest that asks the host', () => {
  test('is suspended, and goes on with the answer', async () => {
    opened = openSandbox({ onEffect: async () => ({ kind: 'ok', output: '{"ids":["a"]}' }) });
    opened.sandbox.register(alpha, asking());
    expect(await opened.sandbox.submit(alpha, invoke('publish', DRAFT))).toEqual({
      kind: 'output',
      output: '{"ids":["a"]}',
    });
  });

  test('has its drafts normalized in the cell: the provider is their source', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    await opened.sandbox.submit(alpha, invoke('publish', DRAFT));
    const [effect] = opened.effects;
    expect(effect).toMatchObject({ capability: 'bus', fn: 'publish', source: 'guest', run: null });
    expect(JSON.parse(effect?.events[0]?.json ?? '')).toMatchObject({
      event_type: 'asked.once',
      source: 'guest',
      payload: 1,
    });
  });

  test('gets drafts that are none refused as its own typed problem, and nothing reaches the broker', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    for (const drafts of [[{ event_type: 'a.result', payload: 1 }], [{ payload: 1 }], 'no list']) {
      expect(await opened.sandbox.submit(alpha, invoke('publish', drafts))).toMatchObject({
        kind: 'problem',
        problem: { code: 'event_invalid' },
      });
    }
    expect(opened.effects).toEqual([]);
  });

  test('a hundred of them wait together, each on an instance of its own, and each gets its own answer', async () => {
    const { held, onEffect } = heldBroker();
    opened = openSandbox({ onEffect });
    opened.sandbox.register(alpha, asking());
    const calls = Array.from({ length: 100 }, () => opened?.sandbox.submit(alpha, invoke('publish', DRAFT)));
    await expect.poll(() => held.length).toBe(100);
    for (const [n, answer] of held.entries()) answer({ kind: 'ok', output: `{"n":${n}}` });
    expect(await Promise.all(calls)).toEqual(calls.map((_, n) => ({ kind: 'output', output: `{"n":${n}}` })));
  });

  test("past the tenant's memory, calls wait for an instance instead of making one", async () => {
    const { held, onEffect } = heldBroker();
    opened = openSandbox({ onEffect });
    opened.sandbox.register(alpha, asking({ maxTenantMemoryBytes: 4 * 1024 * 1024 }));
    const calls = Array.from({ length: 20 }, () => opened?.sandbox.submit(alpha, invoke('hold', DRAFT)));
    // Three of 1.2 MB.
    await expect.poll(() => held.length).toBe(3);
    for (let answered = 0; answered < 20; answered += 1) {
      await expect.poll(() => held.length).toBeGreaterThan(answered);
      held[answered]?.({ kind: 'ok', output: 'null' });
    }
    expect(await Promise.all(calls)).toHaveLength(20);
  });

  test("past the tenant's memory, idle instances go before the cell does for what the others grow to", async () => {
    const { held, onEffect } = heldBroker();
    opened = openSandbox({ onEffect });
    const { sandbox, losses } = opened;
    sandbox.register(alpha, asking({ maxTenantMemoryBytes: 4 * 1024 * 1024 }));
    const calls = Array.from({ length: 20 }, () => sandbox.submit(alpha, invoke('hold', DRAFT)));
    const all = Promise.allSettled(calls);
    await expect.poll(() => held.length).toBe(3);
    // All that wait are answered together, so that they are idle together. One that is used for the third time grows to
    // twice its size; three of that size are half as much again as the tenant may have.
    for (let answered = 0; answered < 20; ) {
      await expect.poll(() => held.length > answered || losses.length > 0).toBe(true);
      expect(losses).toEqual([]);
      for (; answered < held.length; answered += 1) held[answered]?.({ kind: 'ok', output: 'null' });
    }
    expect(new Set((await all).map(({ status }) => status))).toEqual(new Set(['fulfilled']));
  });

  test('past the memories of its cell host, calls wait, and the next tenant finds room all the same', async () => {
    const { held, onEffect } = heldBroker();
    opened = openSandbox({ onEffect });
    const { sandbox } = opened;
    for (const tenant of [alpha, beta]) sandbox.register(tenant, asking({ maxMemoriesPerHost: 8 }));
    const calls = Array.from({ length: 20 }, () => sandbox.submit(alpha, invoke('hold', DRAFT)));
    await expect.poll(() => held.length).toBe(4);
    const other = sandbox.submit(beta, invoke('hold', DRAFT));
    await expect.poll(() => held.length).toBe(5);
    for (let answered = 0; answered < 21; answered += 1) {
      await expect.poll(() => held.length).toBeGreaterThan(answered);
      held[answered]?.({ kind: 'ok', output: 'null' });
    }
    expect(await Promise.all([...calls, other])).toHaveLength(21);
  });

  test('without any memory left in its cell host is refused, until a cell there has ended', async () => {
    opened = openSandbox({ maxLiveCells: 2 });
    const { sandbox } = opened;
    for (const tenant of [alpha, beta]) sandbox.register(tenant, asking({ maxMemoriesPerHost: 1 }));
    await sandbox.submit(alpha, invoke('publish', DRAFT));
    await expect(sandbox.submit(beta, invoke('publish', DRAFT))).rejects.toMatchObject({
      message: expect.stringMatching(/as many WebAssembly memories as it may/),
    });
  });

  test('may ask 64 times a call; after that it gets a problem', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    expect(await opened.sandbox.submit(alpha, invoke('publish_many', 64))).toEqual({
      kind: 'output',
      output: 'null',
    });
    expect(await opened.sandbox.submit(alpha, invoke('publish_many', 65))).toMatchObject({
      problem: { code: 'guest_effects_exceeded' },
    });
    expect(opened.effects).toHaveLength(128);
  });

  test('that goes on asking for ever is ended, and the neighbour is not', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    opened.sandbox.register(beta, asking());
    const guilty = opened.sandbox.submit(alpha, invoke('ask_for_ever', null));
    await expect(guilty).rejects.toMatchObject({ code: 'guest_timeout' });
    expect(opened.losses).toMatchObject([{ reason: 'overrun' }]);
    expect(await opened.sandbox.submit(beta, invoke('echo', 1))).toEqual({ kind: 'output', output: '1' });
  });

  test('that loops after it was answered is ended for it', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    await expect(opened.sandbox.submit(alpha, invoke('loop_after', DRAFT))).rejects.toMatchObject({
      code: 'guest_timeout',
    });
  });

  test('that traps after it was answered loses its instance only', async () => {
    opened = openSandbox();
    opened.sandbox.register(alpha, asking());
    await expect(opened.sandbox.submit(alpha, invoke('trap_after', DRAFT))).rejects.toMatchObject({
      code: 'guest_trap',
    });
    expect(await opened.sandbox.submit(alpha, invoke('echo', 1))).toEqual({ kind: 'output', output: '1' });
    expect(opened.losses).toEqual([]);
  });

  test('is answered with a problem when its time is over, not abandoned', async () => {
    const { onEffect } = heldBroker();
    opened = openSandbox({ onEffect });
    opened.sandbox.register(alpha, asking({ effectCallWallMs: 20 }));
    expect(await opened.sandbox.submit(alpha, invoke('publish', DRAFT))).toMatchObject({
      problem: { code: 'guest_timeout' },
    });
    expect(await opened.sandbox.submit(alpha, invoke('echo', 1))).toEqual({ kind: 'output', output: '1' });
  });

  test('when its cell is lost, what it asked for is told so', async () => {
    const signals: AbortSignal[] = [];
    opened = openSandbox({
      onEffect: (_, __, signal) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    opened.sandbox.register(alpha, asking());
    const call = opened.sandbox.submit(alpha, invoke('publish', DRAFT));
    await expect.poll(() => signals.length).toBe(1);
    for (const pid of opened.sandbox.hostPids()) process.kill(pid, 'SIGKILL');
    await expect(call).rejects.toMatchObject({ code: 'cell_lost' });
    expect(signals[0]?.aborted).toBe(true);
  });
});
