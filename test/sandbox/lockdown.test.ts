import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LOCKED_DOWN } from '../../host/sandbox/lockdown.ts';

type Report = Record<string, string>;

/** Runs the fixture's attempts in a process that was started as a cell host is, and in a worker of it. */
async function tryToEscape(
  mode: 'inherited' | 'dropped',
): Promise<{ readonly fromMain: Report; readonly fromWorker: Report }> {
  const script = fileURLToPath(new URL('./fixture/escape.ts', import.meta.url));
  const child = fork(script, [mode], {
    ...LOCKED_DOWN,
    execArgv: [...LOCKED_DOWN.execArgv, `--allow-fs-read=${script}`],
  });
  const [report] = (await once(child, 'message')) as [{ fromMain: Report; fromWorker: Report }];
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
  };
  expect(fromMain).toEqual(refused);
  expect(fromWorker).toEqual(refused);
});

test('after a cell dropped the permission to read, it reads not even the code of the host', async () => {
  const { fromMain, fromWorker } = await tryToEscape('dropped');
  expect(fromMain.readHost).toMatch(/^reached/);
  expect(fromWorker.readHost).toBe('refused: ERR_ACCESS_DENIED');
});
