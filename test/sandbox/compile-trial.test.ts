import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { versions } from 'node:process';
import { parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkCompiles } from '../../host/deploy/compile-check.ts';
import type { ProviderCode } from '../../host/deploy/provider-code.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { CompileTrial, type CompileTrialOptions } from '../../host/sandbox/compile-trial.ts';
import { onlyLargeFunctions } from '../../host/sandbox/large-functions.ts';
import { leb, section } from '../pack/fixture/wasm.ts';
import { compileGuest } from './cell.ts';

const MiB = 1024 * 1024;
const STEPS = 150_000;

let cacheDir: string;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'gtpack-trial-'));
});
afterEach(() => rm(cacheDir, { recursive: true }));

function trial(options: Partial<CompileTrialOptions> = {}): CompileTrial {
  return new CompileTrial({ cacheDir, wallMs: 60_000, memoryBytes: 512 * MiB, ...options });
}

const sound = (): Promise<Uint8Array> =>
  parse('(module (func (export "f") (param i32) (result i32) (local.get 0)))');

/** Each label keeps the state of every local: gigabytes, in a module of 200 KB. */
function labels(): Promise<Uint8Array> {
  const declared = `(local ${'i64 '.repeat(40_000)})`;
  return parse(`(module (func (param i32) ${declared} ${'(block (br_if 0 (local.get 0)))'.repeat(30_000)}))`);
}

/** Cheap for the baseline compiler, which forgets each instruction; the optimizing one keeps a graph of them all. */
function longGraph(): Uint8Array {
  // local 1 = local 1 * local 0 + memory[local 2]
  const step = [0x20, 1, 0x20, 0, 0x7e, 0x20, 2, 0x29, 3, 0, 0x7c, 0x21, 1];
  const body = Buffer.concat([
    Buffer.from([2, 1, 0x7e, 1, 0x7f]),
    Buffer.alloc(STEPS * step.length, Buffer.from(step)),
    Buffer.from([0x20, 1, 0x0b]),
  ]);
  const code = Buffer.concat([Buffer.from([1, ...leb(body.length)]), body]);
  return Buffer.concat([
    Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]),
    Buffer.from(section(1, [1, 0x60, 1, 0x7e, 1, 0x7e])),
    Buffer.from([...section(3, [1, 0]), ...section(5, [1, 0, 1])]),
    Buffer.from([10, ...leb(code.length)]),
    code,
  ]);
}

test('a module that takes the baseline compiler gigabytes ends a process of its own, and is named', async () => {
  const faults = await trial().faults(new Map([['bomb', await labels()]]));
  expect([...faults]).toEqual([['bomb', { kind: 'memory', detail: 'more than 512 MiB of memory' }]]);
});

test('a process that the system ends is no proof against its module: it is compiled once more', async () => {
  const starts: ChildProcess[] = [];
  const faults = await trial({
    onStarted: (child) => {
      // The first of each compiler.
      if (starts.push(child) <= 2) child.kill('SIGKILL');
    },
  }).faults(new Map([['sound', await sound()]]));
  expect([faults.size, starts.length]).toEqual([0, 4]);
});

test('one that it ends twice is refused, by the signal', async () => {
  const options = { onStarted: (child: ChildProcess) => void child.kill('SIGKILL') };
  const faults = await trial(options).faults(new Map([['sound', await sound()]]));
  expect([...faults]).toEqual([
    ['sound', { kind: 'memory', detail: 'more than a process of its own can give (SIGKILL, twice)' }],
  ]);
});

test('so does one that only the optimizing compiler holds much for', async () => {
  const faults = await trial({ memoryBytes: 200 * MiB }).faults(new Map([['bomb', longGraph()]]));
  expect([...faults]).toEqual([['bomb', { kind: 'memory', detail: 'more than 200 MiB of memory' }]]);
});

test('sound modules pass, those of calls, tables and references among them', async () => {
  const modules = new Map([
    [
      'calls',
      await parse(`(module (type $t (func (param i32) (result i32))) (table 2 funcref) (elem (i32.const 0) $f $g)
        (func $f (param i32) (result i32) (call $g (local.get 0)))
        (func $g (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
        (func (export "h") (param i32) (result i32)
          (return_call_indirect (type $t) (call $f (local.get 0)) (local.get 0))))`),
    ],
    ['scripts', await loadScriptWasm()],
    ['guest', await compileGuest('asking')],
  ]);
  expect((await trial().faults(modules)).size).toBe(0);
});

test('of a module only large functions and those of many locals stay for the optimizing compiler', async () => {
  const body = '(drop (i32.const 1))';
  const bytes = await parse(`(module (func (export "small") (result i32) (i32.const 7))
    (func (export "long") ${body.repeat(2000)}) (func (export "wide") (local ${'i64 '.repeat(1001)}) nop))`);
  const stripped = onlyLargeFunctions(bytes);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(stripped)));
  const call = (name: string): unknown => (exports[name] as () => unknown)();
  expect(() => call('small')).toThrow(/unreachable/);
  expect(call('long')).toBeUndefined();
  expect(call('wide')).toBeUndefined();
});

test('a module that is not done in time is named', async () => {
  const faults = await trial({ wallMs: 1 }).faults(new Map([['slow', await sound()]]));
  expect([...faults]).toEqual([['slow', { kind: 'time', detail: 'more than 0.001 s' }]]);
});

test('those before and after a bomb are compiled all the same, and what passed is kept', async () => {
  const modules = new Map([
    ['before', await sound()],
    ['bomb', await labels()],
    ['after', await sound()],
    ['invalid', (await sound()).subarray(0, 20)],
  ]);
  const faults = await trial().faults(modules);
  expect([...faults].map(([digest, { kind }]) => [digest, kind]).sort()).toEqual([
    ['bomb', 'memory'],
    ['invalid', 'invalid'],
  ]);
  expect((await readdir(cacheDir)).sort()).toEqual(
    ['after', 'before'].map((digest) => `${digest}-compiled-v8-${versions.v8}`),
  );
});

test('what passed under this V8 is not compiled again, and costs no process', async () => {
  await writeFile(join(cacheDir, `known-compiled-v8-${versions.v8}`), '');
  // Nothing could pass within these bounds.
  const narrow = trial({ memoryBytes: 0, wallMs: 1 });
  expect((await narrow.faults(new Map([['known', await sound()]]))).size).toBe(0);
  await writeFile(join(cacheDir, 'older-compiled-v8-1.2.3'), '');
  expect((await narrow.faults(new Map([['older', await sound()]]))).size).toBe(1);
});

test('a provider with such a module is refused, with its pack', async () => {
  const providers = [
    { binding: { id: 'fine', pack: 'fine.gtpack' }, modules: new Map([['fine', await sound()]]) },
    { binding: { id: 'hook', pack: 'hook.gtpack' }, modules: new Map([['bomb', await labels()]]) },
    { binding: { id: 'again', pack: 'again.gtpack' }, modules: new Map([['bomb', await labels()]]) },
  ] as unknown as readonly ProviderCode[];
  await expect(checkCompiles(providers, trial())).rejects.toMatchObject({
    problems: [
      {
        code: 'plugin_compile_too_large',
        message:
          'The WebAssembly of the provider hook takes more than 512 MiB of memory to compile, which is the most that is allowed.',
        file: 'hook.gtpack',
      },
      { code: 'plugin_compile_too_large', file: 'again.gtpack' },
    ],
  });
});
