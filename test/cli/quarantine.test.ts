import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ControlServer, openControl } from '../../host/control/control.ts';
import { FakeHost } from '../control/fake-host.ts';
import { runToEnd } from './desk.ts';

let dir = '';
let control: ControlServer | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
  await writeFile(join(dir, 'bundle.yaml'), '');
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  await rm(dir, { recursive: true, force: true });
});

describe('quarantine', () => {
  test('list shows what is held, for how long and why, and nothing that steers the terminal', async () => {
    control = await openControl(dir, new FakeHost());
    const { status, out } = await runToEnd(['quarantine', 'list'], { cwd: dir });
    expect([status, out]).toEqual([
      0,
      'demo  flow:x  60 s more, 2 times by now: It ran\\u{1b}[2J for ever.\n',
    ]);
    const json = await runToEnd(['quarantine', 'list', '--json'], { cwd: dir });
    expect(JSON.parse(json.out)).toEqual({ quarantined: new FakeHost().quarantined() });
  });

  test('release lets it go, and says so where there was nothing to release', async () => {
    control = await openControl(dir, new FakeHost());
    const done = await runToEnd(['quarantine', 'release', 'demo', 'flow:x'], { cwd: dir });
    expect([done.status, done.out]).toEqual([0, 'flow:x of demo is released.\n']);
    const none = await runToEnd(['quarantine', 'release', 'demo', 'flow:y', '--json'], { cwd: dir });
    expect([none.status, JSON.parse(none.out)]).toEqual([
      1,
      { tenant: 'demo', source: 'flow:y', released: false },
    ]);
  });

  test('without a running host says so', async () => {
    const { status, err } = await runToEnd(['quarantine', 'list'], { cwd: dir });
    expect([status, err]).toEqual([1, expect.stringContaining('No host is running')]);
  });
});
