import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const main = fileURLToPath(new URL('./locked/main.ts', import.meta.url));

test('scripts run in a worker that may not read, whatever the zone of its machine is', async () => {
  const flags = ['--permission', '--allow-worker', `--allow-fs-read=${repository}`, main];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { env: { TZ: 'America/New_York' } });
  expect(JSON.parse(stdout)).toEqual({
    mayRead: false,
    zone: 240,
    value: '42',
    scriptZone: '0',
    bomb: 'script_out_of_memory',
    recursion: 'script_stack_overflow',
    again: '42',
  });
});
