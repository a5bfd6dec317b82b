import { readdirSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseTenantId } from '../../host/event/names.ts';
import type { Sandbox, TenantCode } from '../../host/sandbox/sandbox.ts';
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

const gamma = parseTenantId('gamma');
const HOUR_MS = 3_600_000;

let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await compileGuest('misbehaving');
});

let opened: TestSandbox | undefined;
let nowMs = 0;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

/** Three tenants whose guests may loop until their cell host is killed. */
function start(
  options: Parameters<typeof openSandbox>[0] = {},
  codes: Partial<Record<string, Partial<TenantCode>>> = {},
): TestSandbox {
  nowMs = 0;
  opened = openSandbox({ monotonicMs: () => nowMs, ...options });
  for (const tenant of [alpha, beta, gamma]) {
    const code = assemblyScriptTenant(tenant, wasm);
    const limits = { ...code.spec.limits, cpuSliceMs: 60_000, callWallMs: 60_000 };
    opened.sandbox.register(tenant, { ...code, spec: { ...code.spec, limits }, ...codes[tenant] });
  }
  return opened;
}

async function count(sandbox: Sandbox, tenant = alpha): Promise<unknown> {
  const [payload] = payloadsOf(await sandbox.submit(tenant, ingestJob('{}')));
  return (payload as { calls: number }).calls;
}

/** A plugin answers before the cell is open; what opens is a suspect. */
async function settled(sandbox: Sandbox, ...tenants: (typeof alpha)[]): Promise<void> {
  for (const tenant of tenants) {
    await count(sandbox, tenant);
    await sandbox.prepare(tenant);
  }
}

/** Lets guests run and kills the cell host under them. @returns the codes that their callers got */
async function killed(
  sandbox: Sandbox,
  pid: number | undefined,
  ...running: (typeof alpha)[]
): Promise<string[]> {
  const calls = running.map((tenant) =>
    sandbox.submit(tenant, ingestJob('LOOP')).then(
      () => 'answered',
      (error: { code: string }) => error.code,
    ),
  );
  process.kill(pid ?? 0, 'SIGKILL');
  return Promise.all(calls);
}

describe('isolation: process', () => {
  test('gives a tenant a cell host that holds no other tenant, whoever comes first', async () => {
    const { sandbox } = start({}, { beta: { isolation: 'process' } });
    await count(sandbox, alpha);
    expect(sandbox.counts()).toEqual({ cells: 1, hosts: 1 });
    await count(sandbox, beta);
    expect(sandbox.counts()).toEqual({ cells: 2, hosts: 2 });
    await count(sandbox, gamma);
    expect(sandbox.counts()).toEqual({ cells: 3, hosts: 2 });
    const [shared, own] = sandbox.hostPids();
    expect(await killed(sandbox, shared)).toEqual([]);
    await expect.poll(() => sandbox.counts()).toEqual({ cells: 1, hosts: 1 });
    expect(sandbox.hostPids()).toEqual([own]);
    expect(await count(sandbox, beta)).toBe(2);
  });

  test('starts no thread for a second cell, which will never come', async () => {
    const { sandbox } = start({}, { beta: { isolation: 'process' } });
    await settled(sandbox, alpha, beta);
    const [shared = 0, own = 0] = sandbox.hostPids();
    const threads = (pid: number): number => readdirSync(`/proc/${pid}/task`).length;
    await expect.poll(() => threads(shared) - threads(own)).toBe(1);
  });

  test('costs no process while its tenant has no cell', async () => {
    const { sandbox } = start({ maxLiveCells: 1 }, { alpha: { isolation: 'process' } });
    await count(sandbox, alpha);
    const [own] = sandbox.hostPids();
    await count(sandbox, beta);
    expect(sandbox.counts()).toEqual({ cells: 1, hosts: 1 });
    expect(sandbox.hostPids()).not.toContain(own);
  });
});

describe('a cell host that dies with several tenants at work', () => {
  test('charges none of them, and opens each of them apart from then on', async () => {
    const { sandbox, losses } = start();
    await settled(sandbox, alpha, beta, gamma);
    expect(sandbox.counts().hosts).toBe(1);
    expect(await killed(sandbox, sandbox.hostPids()[0], alpha, beta)).toEqual(['cell_ended', 'cell_ended']);
    expect(losses).toMatchObject([{ source: null }, { source: null }, { source: null }]);
    for (const tenant of [alpha, beta, gamma]) expect(await count(sandbox, tenant)).toBe(1);
    // Gamma was idle: no suspect, and back among the others.
    expect(sandbox.counts()).toEqual({ cells: 3, hosts: 3 });
  });

  test('has its next death held against the one that was alone, and the others go free', async () => {
    const { sandbox, losses } = start();
    await settled(sandbox, alpha, beta, gamma);
    await killed(sandbox, sandbox.hostPids()[0], alpha, beta);
    await count(sandbox, alpha);
    const [apart] = sandbox.hostPids();
    for (const tenant of [beta, gamma]) await count(sandbox, tenant);
    losses.length = 0;
    expect(await killed(sandbox, apart, alpha)).toEqual(['cell_lost']);
    expect(losses).toMatchObject([{ reason: 'crash', source: 'guest' }]);
    expect(await count(sandbox, beta)).toBe(1);
    expect(sandbox.counts()).toEqual({ cells: 2, hosts: 1 });
    // The guilty one stays apart.
    await count(sandbox, alpha);
    expect(sandbox.counts()).toEqual({ cells: 3, hosts: 2 });
  });

  test('is forgotten after an hour', async () => {
    const { sandbox } = start();
    for (const tenant of [alpha, beta]) await count(sandbox, tenant);
    await killed(sandbox, sandbox.hostPids()[0], alpha, beta);
    for (const tenant of [alpha, beta]) await count(sandbox, tenant);
    expect(sandbox.counts().hosts).toBe(2);
    nowMs += HOUR_MS;
    for (const tenant of [alpha, beta]) expect(await count(sandbox, tenant)).toBe(1);
    expect(sandbox.counts()).toEqual({ cells: 2, hosts: 1 });
  });
});

describe('a tenant that ends its own cell host', () => {
  test('twice, with several calls under way, has them one by one, and the third death names the call', async () => {
    const { sandbox, losses } = start();
    for (let deaths = 0; deaths < 2; deaths += 1) {
      await count(sandbox);
      // Nobody saw which of them ran.
      expect(await killed(sandbox, sandbox.hostPids()[0], alpha, alpha)).toEqual(['cell_lost', 'cell_lost']);
    }
    losses.length = 0;
    await count(sandbox);
    const codes = await killed(sandbox, sandbox.hostPids()[0], alpha, alpha);
    expect(codes).toEqual(['cell_lost', 'cell_ended']);
    expect(losses).toMatchObject([{ source: 'guest', job: expect.any(Number) }]);
  });
});
