import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../host/deploy/digest.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { boundCoreModule } from '../../host/sandbox/core-module.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { ingestJob } from '../sandbox/cell.ts';
import { Arena, type Outcome } from './arena.ts';
import { type ComponentParts, componentText, counter, STRIKE } from './guest-text.ts';

/**
 * Components whose types are not the contract's, past the check that refuses them: what is behind it holds them, too. What
 * they return is read by generated glue, which makes what the type says before any of the host's bounds is asked.
 */

const cacheDir = mkdtempSync(join(tmpdir(), 'gtpack-unchecked-'));
const transpiler = new Transpiler({
  cacheDir,
  version: 'test',
  wallMs: DEFAULT_LIMITS.transpileWallMs,
  memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
});
afterAll(() => rmSync(cacheDir, { recursive: true }));
// A cell host for each tenant: a heap that overflows may take its cell host along.
const arena = new Arena({ maxCellsPerHost: 1 });
const bystander = parseTenantId('elsewhere');
let counted = 0;
beforeAll(async () => {
  arena.sandbox.register(bystander, await arena.code({ wasm: await counter() }));
  await bystanderCounts();
});

/** Another count would be another instance, so another cell, or none. */
async function bystanderCounts(): Promise<void> {
  counted += 1;
  expect(await arena.call(bystander, ingestJob('{}'))).toMatchObject({
    events: [{ json: expect.stringContaining(`"payload":${1_000_000 + counted}`) }],
  });
}

async function attack(code: TenantCode): Promise<Outcome> {
  const tenant = arena.admit(code);
  let outcome: Outcome | undefined;
  const call = arena.call(tenant, ingestJob(STRIKE)).then((result) => {
    outcome = result;
  });
  while (outcome === undefined) await bystanderCounts();
  await call;
  for (let calls = 0; calls < 20; calls += 1) await bystanderCounts();
  return outcome;
}

async function unchecked(parts: ComponentParts): Promise<TenantCode> {
  const wasm = await componentText(parts);
  const { glue, modules: cores } = await transpiler.transpile(await digestOf(wasm), wasm, {
    imports: [],
    exports: [],
  });
  const bounds = { maxMemoryBytes: DEFAULT_LIMITS.maxGuestMemoryBytes };
  const { spec, modules } = await arena.code({});
  const all = new Map(modules);
  const names: Record<string, string> = {};
  for (const [path, bytes] of cores) {
    names[path] = await digestOf(bytes);
    all.set(names[path], boundCoreModule(bytes, bounds, 'guest.gtpack'));
  }
  const plugin = { kind: 'component', glue, modules: names, binding: null } as const;
  const provider = { id: 'guest', plugin, exports: ['ingest'], imports: [], config: 'null' } as const;
  return { spec: { ...spec, providers: [provider] }, modules: all };
}

/** A list of as many elements as there is room for, all of them the same bytes. */
const aliased = (result: string, count: number, bytes: number): ComponentParts => ({
  result,
  memory: '1000',
  returns: result.startsWith('result') ? [0, 131_072, count] : [131_072, count],
  fields: `(func $alias (local $at i32)
    (local.set $at (i32.const 131072))
    (loop
      (i32.store (local.get $at) (i32.const 131072))
      (i32.store offset=4 (local.get $at) (i32.const ${bytes}))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if 0 (i32.lt_u (local.get $at) (i32.const ${131_072 + count * 8})))))`,
  strike: '(call $alias)',
});

describe('a component of another contract that is let through', () => {
  test.each<[string, string, number, number]>([
    ['a million texts of eight bytes', 'list<string>', 1_000_000, 8],
    ['a thousand texts of a megabyte', 'list<string>', 1000, 1_000_000],
    ['a thousand texts in a result', 'result<list<string>, problem>', 1000, 1_000_000],
    ['a million lists of bytes', 'list<list<u8>>', 1_000_000, 8],
    ['a thousand lists of a megabyte', 'list<list<u8>>', 1000, 1_000_000],
    ['two hundred lists of a million tuples', 'list<list<tuple<u8, u8>>>', 200, 1_000_000],
  ])('and returns the same bytes as %s loses its own cell host at most', async (_, result, count, bytes) => {
    const outcome = await attack(await unchecked(aliased(result, count, bytes)));
    const codes = /^(?:guest_(?:trap|timeout|memory_exceeded|output_invalid)|cell_(?:lost|ended))$/;
    expect(outcome).toMatchObject({ kind: 'thrown', code: expect.stringMatching(codes) });
  });

  test.each<[string, ComponentParts]>([
    ['a number', { result: 'u32', returns: [0, 0] }],
    ['a text without its problem', { result: 'string' }],
    ['an option', { result: 'option<string>', returns: [1, 1024, 2] }],
    ['a list of numbers', { result: 'list<u64>', returns: [1024, 2] }],
  ])('and returns %s holds up nobody', async (_, parts) => {
    const outcome = await attack(await unchecked(parts));
    // A text that is an outcome by chance is one.
    expect(outcome).toMatchObject({ kind: expect.stringMatching(/^(?:thrown|events)$/) });
  });
});
