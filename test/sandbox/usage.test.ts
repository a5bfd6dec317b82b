import { afterEach, expect, test } from 'vitest';
import type { SourceUsage } from '../../host/sandbox/protocol.ts';
import { UsageMeter } from '../../host/sandbox/usage.ts';
import {
  alpha,
  assemblyScriptTenant,
  compileGuest,
  ingestJob,
  openSandbox,
  type TestSandbox,
} from './cell.ts';

let opened: TestSandbox | undefined;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

test('what a cell uses is measured by source, and brought down to the CPU time of its thread', () => {
  const at = { wall: 0, cpu: 1000 };
  const meter = new UsageMeter({ now: () => at.wall, cpuMs: () => at.cpu });
  const run = (source: string, ms: number): void => {
    meter.enter(source);
    at.wall += ms;
    meter.leave();
  };
  expect(meter.dueInMs).toBeUndefined();
  run('orders', 30);
  run('flow:a', 10);
  run('orders', 40);
  at.wall += 1000;
  expect(meter.dueInMs).toBe(0);
  // The thread ran for half of the time only.
  at.cpu += 40;
  expect(meter.take(new Map([['orders', 64]]))).toEqual([
    { source: 'orders', cpuMs: 35, memoryBytes: 64 },
    { source: 'flow:a', cpuMs: 5, memoryBytes: 0 },
  ]);
  expect(meter.dueInMs).toBeUndefined();
  run('flow:a', 10);
  expect(meter.dueInMs).toBe(990);
  at.cpu += 50;
  expect(meter.take(new Map([['orders', 64]]))).toEqual([
    { source: 'orders', cpuMs: 0, memoryBytes: 64 },
    { source: 'flow:a', cpuMs: 10, memoryBytes: 0 },
  ]);
});

test('a cell tells what its guest uses and holds, and after it has fallen silent as well', async () => {
  const told: SourceUsage[] = [];
  opened = openSandbox({ onUsage: (_, usage) => told.push(...usage) });
  const { sandbox } = opened;
  sandbox.register(alpha, assemblyScriptTenant(alpha, await compileGuest('misbehaving')));
  await sandbox.submit(alpha, ingestJob('{}'));
  await expect.poll(() => told.length).toBeGreaterThan(0);
  await sandbox.submit(alpha, ingestJob('{}'));
  // No other call follows.
  await expect.poll(() => told.length).toBeGreaterThan(1);
  expect(told.every(({ source }) => source === 'guest')).toBe(true);
  expect(told.reduce((sum, { cpuMs }) => sum + cpuMs, 0)).toBeGreaterThan(0);
  expect(sandbox.usage()).toEqual([
    { tenant: 'alpha', source: 'guest', cpuMs: expect.any(Number), memoryBytes: expect.any(Number) },
  ]);
  expect(sandbox.usage()[0]?.memoryBytes).toBeGreaterThan(0);
});
