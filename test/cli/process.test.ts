import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ControlServer, openControl } from '../../host/control/control.ts';
import { FakeHost } from '../control/fake-host.ts';

const entry = fileURLToPath(new URL('../../host/cli/gtpack.mjs', import.meta.url));

let dir = '';
let host = new FakeHost();
let control: ControlServer | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-process-'));
  await writeFile(join(dir, 'bundle.yaml'), '');
  host = new FakeHost();
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  await rm(dir, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly err: string;
}

function launch(argv: readonly string[], nodeOptions: readonly string[] = []) {
  const child = spawn(process.execPath, [...nodeOptions, entry, ...argv], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    err += chunk;
  });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, err })));
  return { child, ended };
}

function firstOutput(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString())));
}

test('under an older Node it says in one sentence what to do, and ends with 1', async () => {
  const old = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'12.22.12'})";
  const { child, ended } = launch(['up'], ['--import', old]);
  child.stdout.resume();
  const { code, err } = await ended;
  expect(code).toBe(1);
  expect(err).toMatch(
    /^gtpack needs Node 26 or newer and this is Node 12\.22\.12: .* install a newer one .*\.\n$/,
  );
});

test('the entry is written so that an old Node can read it', () => {
  const text = readFileSync(entry, 'utf8').replace(/^\s*\/\/.*$/gm, '');
  expect(text).not.toMatch(/\?\.|\?\?|\|\|=|&&=|^\s*await |'node:|#\w+\s*[=(]/m);
  expect(text.startsWith('#!/usr/bin/env node\n')).toBe(true);
});

test('`gtpack tail --json | head -1` ends quietly with 0', async () => {
  control = await openControl(dir, host);
  const { child, ended } = launch(['tail', '--json']);
  await host.listening(1);
  const first = firstOutput(child);
  host.pass({ json: '{"id":"1"}' });
  expect(await first).toContain('"event":{"id":"1"}');
  child.stdout.destroy();
  // It learns of the closed pipe when it writes again.
  const pass = setInterval(() => host.pass({}), 5);
  const { code, err } = await ended;
  clearInterval(pass);
  expect([code, err.split('\n').length]).toEqual([0, 3]);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends a tail with 0', async (signal) => {
  control = await openControl(dir, host);
  const { child, ended } = launch(['tail']);
  await host.listening(1);
  child.kill(signal);
  child.stdout.resume();
  expect((await ended).code).toBe(0);
  await host.listening(0);
});

test('wrong usage ends the process with 2', async () => {
  const { child, ended } = launch(['up', 'a', 'b']);
  child.stdout.resume();
  expect((await ended).code).toBe(2);
});

test('the sources run without a warning', async () => {
  const { child, ended } = launch(['--version']);
  child.stdout.resume();
  expect(await ended).toEqual({ code: 0, err: '' });
});
