import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  alpha,
  assemblyScriptTenant,
  beta,
  compileGuest,
  ingestJob,
  openSandbox,
  payloadsOf,
  type TestSandbox,
} from './cell.ts';

let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await compileGuest('misbehaving');
});

let opened: TestSandbox | undefined;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

function start(options: Parameters<typeof openSandbox>[0] = {}): TestSandbox {
  opened = openSandbox(options);
  opened.sandbox.register(alpha, assemblyScriptTenant(alpha, wasm, '{"of":"alpha"}'));
  opened.sandbox.register(beta, assemblyScriptTenant(beta, wasm, '{"of":"beta"}'));
  return opened;
}

describe('a cell', () => {
  test('turns a request into events, and each tenant sees its own config', async () => {
    const { sandbox } = start();
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toEqual([
      { calls: 1, config: { of: 'alpha' } },
    ]);
    expect(payloadsOf(await sandbox.submit(beta, ingestJob('{}')))).toEqual([
      { calls: 1, config: { of: 'beta' } },
    ]);
  });

  test('answers a thousand calls at once, each with its own answer', async () => {
    const { sandbox } = start();
    const results = await Promise.all(
      Array.from({ length: 1000 }, (_, n) =>
        sandbox.submit(alpha, { kind: 'invoke', provider: 'guest', operation: 'echo', input: `{"n":${n}}` }),
      ),
    );
    expect(results).toEqual(results.map((_, n) => ({ kind: 'output', output: `{"n":${n}}` })));
  });

  test('past its queue, a call is refused and none is lost', async () => {
    const { sandbox } = start({ maxQueuedCalls: 10 });
    const calls = Array.from({ length: 10 }, () => sandbox.submit(alpha, ingestJob('{}')));
    expect(() => sandbox.submit(alpha, ingestJob('{}'))).toThrow(/10 calls of tenant alpha wait already/);
    expect(await Promise.all(calls)).toHaveLength(10);
  });

  test('past the bound of its own tenant, a call is refused, and another tenant has another bound', async () => {
    const { sandbox } = start({ maxQueuedCalls: 10 });
    sandbox.register(alpha, { ...assemblyScriptTenant(alpha, wasm), maxQueuedCalls: 2 });
    const calls = [1, 2].map(() => sandbox.submit(alpha, ingestJob('{}')));
    expect(() => sandbox.submit(alpha, ingestJob('{}'))).toThrow(/2 calls of tenant alpha wait already/);
    for (let nth = 0; nth < 10; nth += 1) calls.push(sandbox.submit(beta, ingestJob('{}')));
    expect(() => sandbox.submit(beta, ingestJob('{}'))).toThrow(/10 calls of tenant beta wait already/);
    expect(await Promise.all(calls)).toHaveLength(12);
  });

  test("uses an instance again after the guest's own typed error", async () => {
    const { sandbox } = start();
    expect(await sandbox.submit(alpha, ingestJob('PROBLEM'))).toEqual({
      kind: 'problem',
      problem: { code: 'not_today', message: 'No.', retryable: true },
    });
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 2 }]);
  });

  test.each([
    ['a trap', 'TRAP', 'guest_trap', /aborted: boom/],
    ['a reply of no known shape', 'GARBAGE', 'guest_output_invalid', /neither \{"ok"/],
    ['a string that claims to be 1 GiB', 'LIE', 'guest_trap', /past its memory's end/],
  ])('drops the instance after %s and goes on with a fresh one', async (_, body, code, message) => {
    const { sandbox, losses } = start();
    await sandbox.submit(alpha, ingestJob('{}'));
    await expect(sandbox.submit(alpha, ingestJob(body))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
    expect(losses).toEqual([]);
  });

  test.each([
    ['nested too deep', 'DEEP', /nests objects and arrays more than 67 deep/],
    ['with an unknown key', 'UNKNOWN_KEY', /unknown key "evnts"/],
  ])('refuses an outcome %s before anything is built of it', async (_, body, message) => {
    const { sandbox } = start();
    await expect(sandbox.submit(alpha, ingestJob(body))).rejects.toMatchObject({
      code: 'guest_output_invalid',
      message: expect.stringMatching(message),
    });
  });

  test('refuses ten thousand drafts from one request', async () => {
    const { sandbox } = start();
    await expect(sandbox.submit(alpha, ingestJob('MANY'))).rejects.toMatchObject({
      code: 'event_invalid',
      message: expect.stringMatching(/10001 event drafts came from one call; at most 1000/),
    });
  });

  test('passes on 100 log lines of a call and says that it dropped the rest', async () => {
    const { sandbox, logs } = start();
    await sandbox.submit(alpha, ingestJob('LOG_FLOOD'));
    expect(logs).toHaveLength(100);
    expect(logs.at(-1)).toMatchObject({
      source: 'guest',
      level: 'warn',
      message: expect.stringMatching(/dropped/),
    });
  });

  test("gives up idle instances past the tenant's total", async () => {
    const { sandbox } = start();
    const code = assemblyScriptTenant(alpha, wasm);
    const limits = { ...code.spec.limits, maxTenantMemoryBytes: 1 };
    sandbox.register(alpha, { ...code, spec: { ...code.spec, limits } });
    await sandbox.submit(alpha, ingestJob('{}'));
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  });

  test('refuses an export that the provider does not declare', async () => {
    const { sandbox } = start();
    const tick = {
      id: 'tick',
      schedule: 's',
      name: 'n',
      scheduledAt: 0,
      firedAt: 0,
      lastRun: null,
      missed: 0,
    };
    await expect(sandbox.submit(alpha, { kind: 'tick', provider: 'guest', tick })).rejects.toMatchObject({
      code: 'guest_export_missing',
    });
  });
});

describe('the supervisor', () => {
  test('ends an endless loop, tells its sender, and loses only what was in that cell', async () => {
    const { sandbox, losses } = start();
    await sandbox.submit(beta, ingestJob('{}'));
    const guilty = sandbox.submit(alpha, ingestJob('LOOP'));
    const innocent = sandbox.submit(alpha, ingestJob('{}'));
    await Promise.all([
      expect(guilty).rejects.toMatchObject({
        code: 'guest_timeout',
        message: expect.stringMatching(/250 ms of CPU time/),
      }),
      expect(innocent).rejects.toMatchObject({ code: 'cell_ended', retryable: true }),
    ]);
    expect(losses).toMatchObject([{ reason: 'overrun', source: 'guest' }]);
    // The neighbour kept its instance, the guilty tenant has a fresh cell.
    expect(payloadsOf(await sandbox.submit(beta, ingestJob('{}')))).toMatchObject([{ calls: 2 }]);
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  });

  test('a cell host that dies loses its cells only, and the next call opens another', async () => {
    const { sandbox, losses } = start({ maxCellsPerHost: 1 });
    await sandbox.submit(alpha, ingestJob('{}'));
    const [hostOfAlpha] = sandbox.hostPids();
    await sandbox.submit(beta, ingestJob('{}'));
    process.kill(hostOfAlpha ?? 0, 'SIGKILL');
    await expect.poll(() => losses.length).toBe(1);
    expect(payloadsOf(await sandbox.submit(beta, ingestJob('{}')))).toMatchObject([{ calls: 2 }]);
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  });

  test('past the live cells allowed, the one used least recently gives way', async () => {
    const { sandbox } = start({ maxLiveCells: 1 });
    await sandbox.submit(alpha, ingestJob('{}'));
    await sandbox.submit(beta, ingestJob('{}'));
    expect(sandbox.counts().cells).toBe(1);
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  });

  test('a plugin that cannot start is named when its cell is prepared', async () => {
    const { sandbox } = start();
    const broken = assemblyScriptTenant(alpha, new Uint8Array([0, 97, 115, 109, 9, 9, 9, 9]));
    sandbox.register(alpha, broken);
    await expect(sandbox.prepare(alpha)).rejects.toMatchObject({ code: 'plugin_invalid' });
  });
});
