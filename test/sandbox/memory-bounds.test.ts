import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { boundCoreModule } from '../../host/sandbox/core-module.ts';
import type { EffectAnswer, Job, JobResult } from '../../host/sandbox/protocol.ts';
import { alpha, assemblyScriptTenant, compileGuest, openSandbox, type TestSandbox } from './cell.ts';

/** Which mechanism bounds memory: what V8's own limits of a thread do not do, and what stops it in their place. */

const MiB = 1024 * 1024;
const PAGES_A_MIB = 16;

/** Grows by the pages that it is given, inside the guest, and writes to the last of them. */
const GROWER = `(module
  (memory (export "memory") 1)
  (func (export "grow") (param $pages i32) (result i32) (local $before i32)
    (local.set $before (memory.grow (local.get $pages)))
    (if (i32.ne (local.get $before) (i32.const -1))
      (then (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))))
    (local.get $before)))`;

const IN_WORKER = `
  const { parentPort, workerData, resourceLimits } = require('node:worker_threads');
  const { modules, pages } = workerData;
  // They live at the same time.
  const guests = modules.map((bytes) => new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports);
  parentPort.postMessage({
    heapMb: resourceLimits.maxOldGenerationSizeMb,
    grew: guests.map(({ grow }) => grow(pages) !== -1),
    bytes: guests.reduce((total, { memory }) => total + memory.buffer.byteLength, 0),
  });`;

interface Grown {
  readonly heapMb: number;
  readonly grew: readonly boolean[];
  readonly bytes: number;
}

/** In a worker whose heap may have 16 MB. */
async function growInWorker(modules: readonly Uint8Array[], pages: number): Promise<Grown> {
  const worker = new Worker(IN_WORKER, {
    eval: true,
    workerData: { modules, pages },
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 4 },
  });
  const [grown] = (await once(worker, 'message')) as [Grown];
  await worker.terminate();
  return grown;
}

let grower: Uint8Array;
let asking: Uint8Array;
beforeAll(async () => {
  grower = await parse(GROWER);
  asking = await compileGuest('asking');
});

let opened: TestSandbox | undefined;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

const bounded = (): Uint8Array => boundCoreModule(grower, { maxMemoryBytes: 64 * MiB }, 'guest.gtpack');

describe('the memory of a guest', () => {
  test('grows far past the resourceLimits of its worker, which do not bound it', async () => {
    const { heapMb, grew, bytes } = await growInWorker([grower], 512 * PAGES_A_MIB);
    expect(heapMb).toBe(16);
    expect(grew).toEqual([true]);
    expect(bytes).toBeGreaterThanOrEqual(512 * MiB);
  });

  test('stops in the guest at the maximum that is written into its module: memory.grow gives -1 there', async () => {
    expect(await growInWorker([bounded()], 512 * PAGES_A_MIB)).toMatchObject({
      grew: [false],
      bytes: 65_536,
    });
    expect(await growInWorker([bounded()], 63 * PAGES_A_MIB)).toMatchObject({ grew: [true] });
  });

  test('is bounded for each alone: ten of them pass the resourceLimits together', async () => {
    const ten = Array.from({ length: 10 }, bounded);
    const { grew, bytes } = await growInWorker(ten, 63 * PAGES_A_MIB);
    expect(grew).toEqual(ten.map(() => true));
    expect(bytes).toBeGreaterThan(600 * MiB);
  });
});

describe('the memory of a tenant', () => {
  const waiting: ((answer: EffectAnswer) => void)[] = [];

  /** Calls that each keep 1.2 MB until they are answered. */
  function hold(calls: number, maxTenantMemoryBytes: number): Promise<JobResult>[] {
    waiting.length = 0;
    opened = openSandbox({ onEffect: () => new Promise((resolve) => waiting.push(resolve)) });
    const { sandbox } = opened;
    const { spec, modules } = assemblyScriptTenant(alpha, asking);
    sandbox.register(alpha, {
      spec: {
        ...spec,
        providers: spec.providers.map((guest) => ({ ...guest, exports: ['invoke'], imports: ['bus'] })),
        limits: { ...spec.limits, maxTenantMemoryBytes },
      },
      modules,
    });
    const input = '[{"event_type":"a.b","payload":1}]';
    const job: Job = { kind: 'invoke', provider: 'guest', operation: 'hold', input };
    return Array.from({ length: calls }, () => sandbox.submit(alpha, job));
  }

  async function heldBytes(): Promise<number> {
    const result = await opened?.sandbox.submit(alpha, { kind: 'measure', provider: 'guest' });
    if (result?.kind !== 'memory') throw new Error(JSON.stringify(result));
    return result.bytes;
  }

  test('without a bound of its total passes what the heap of its thread may have, in two hundred instances', async () => {
    const calls = hold(200, 4096 * MiB);
    await expect.poll(() => waiting.length).toBe(200);
    // 192 MB for old objects and 32 for young ones; see supervisor.ts.
    expect(await heldBytes()).toBeGreaterThan(224 * MiB);
    for (const answer of waiting) answer({ kind: 'ok', output: 'null' });
    expect(await Promise.all(calls)).toHaveLength(200);
  });

  test('stays within its total, however many calls there are, and all are served', async () => {
    const calls = hold(40, 4 * MiB);
    for (let answered = 0; answered < 40; answered += 1) {
      await expect.poll(() => waiting.length).toBeGreaterThan(answered);
      // Three that are under way, at most.
      expect(waiting.length - answered).toBeLessThanOrEqual(3);
      expect(await heldBytes()).toBeLessThanOrEqual(1.25 * 4 * MiB);
      waiting[answered]?.({ kind: 'ok', output: 'null' });
    }
    expect(await Promise.all(calls)).toHaveLength(40);
  });
});
