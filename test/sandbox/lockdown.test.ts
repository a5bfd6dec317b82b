import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { FrameChannel } from '../../host/sandbox/frame-channel.ts';
import { startLockedDown } from '../../host/sandbox/lockdown.ts';

type Report = Record<string, string>;

/** Runs the fixture's attempts in a process that was started as a cell host is, and in a worker of it. */
async function tryToEscape(
  mode: 'inherited' | 'dropped',
): Promise<{ readonly fromMain: Report; readonly fromWorker: Report }> {
  const script = fileURLToPath(new URL('./fixture/escape.ts', import.meta.url));
  const child = startLockedDown(script, [`--allow-fs-read=${script}`]);
  const pipe = child.stdio[3] as Duplex;
  const told = Promise.withResolvers<unknown>();
  new FrameChannel(pipe, { onMessage: told.resolve, onFault: told.reject }).send(mode);
  const report = (await told.promise) as { fromMain: Report; fromWorker: Report };
  child.kill('SIGKILL');
  await once(child, 'exit');
  return report;
}

test('a cell host and its cells reach no file, network, name, child process, addon, inspector or environment variable', async () => {
  const { fromMain, fromWorker } = await tryToEscape('inherited');
  const refused = {
    read: 'refused: ERR_ACCESS_DENIED',
    readBundle: 'refused: ERR_ACCESS_DENIED',
    write: 'refused: ERR_ACCESS_DENIED',
    dns: 'refused: ERR_ACCESS_DENIED',
    connect: 'refused: ERR_ACCESS_DENIED',
    spawn: 'refused: ERR_ACCESS_DENIED',
    addon: 'refused: ERR_DLOPEN_DISABLED',
    inspector: 'refused: ERR_ACCESS_DENIED',
    env: 'names: ',
    readHost: expect.stringMatching(/^reached/),
    resolve: 'refused: ERR_ACCESS_DENIED',
    listen: 'refused: ERR_ACCESS_DENIED',
    udp: 'refused: ERR_ACCESS_DENIED',
    http: 'refused: ERR_ACCESS_DENIED',
    fetch: 'refused: ERR_ACCESS_DENIED',
    websocket: expect.stringMatching(/^refused/),
    proc: 'refused: ERR_ACCESS_DENIED',
    procOfParent: 'refused: ERR_ACCESS_DENIED',
    // SQLite opens files past the permission model: the module is not there.
    sqlite: 'refused: ERR_UNKNOWN_BUILTIN_MODULE',
    wasi: 'refused: ERR_ACCESS_DENIED',
    binding: 'refused: ERR_ACCESS_DENIED',
    // What a cell drops before any guest runs.
    widerWorker: expect.stringMatching(/^reached/),
    // A context of its own, with nothing in it that this thread does not have.
    vm: 'reached: []',
  };
  expect(fromMain).toEqual(refused);
  expect(fromWorker).toEqual(refused);
});

test('after a cell dropped its permissions, it reads not even the code of the host, and starts no thread that could', async () => {
  const { fromMain, fromWorker } = await tryToEscape('dropped');
  expect(fromMain.readHost).toMatch(/^reached/);
  expect(fromWorker.readHost).toBe('refused: ERR_ACCESS_DENIED');
  expect(fromWorker.widerWorker).toBe('refused: ERR_ACCESS_DENIED');
});

test('a cell drops what the fixture drops, before it opens anything', async () => {
  const source = await readFile(new URL('../../host/entry/cell.ts', import.meta.url), 'utf8');
  const dropped = [...source.matchAll(/process\.permission\.drop\('([a-z.]+)'\)/g)].map(([, name]) => name);
  expect(dropped).toEqual(['fs.read', 'worker']);
  expect(source.indexOf("drop('worker')")).toBeLessThan(source.indexOf('new CellRuntime'));
});
