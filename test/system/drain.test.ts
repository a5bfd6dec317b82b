import { expect, test } from 'vitest';
import { flowOf, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { gtpack, printed } from './host-process.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';
import { startVendor } from './vendor.ts';

/** A host in a process of its own, with one event that waits for its vendor, and what lets the vendor answer. */
async function startWaiting(drainGrace: string, options: readonly string[] = []) {
  const answers: (() => void)[] = [];
  const vendor = await startVendor((_, response) => answers.push(() => response.end('{}')));
  const { origin } = vendor;
  const parts = tenantsBundle({
    demo: {
      flows: { ask: flowOf('ask', [{ id: 'ask', type: 'http', config: { url: `${origin}/ask` } }]) },
      grants: { http: { hosts: [origin], networks: ['127.0.0.0/8'] } },
    },
  });
  const folder = await writeBundle({
    ...parts,
    yaml: JSON.stringify({ ...JSON.parse(parts.yaml), drain_grace: drainGrace }),
  });
  const child = gtpack(['up', folder, ...options]);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await printed(child, /Ctrl-C stops it/);
  const [, url = ''] = /at (http:\/\/\S+)/.exec(child.output()) ?? [];
  const { id } = (await post(webhook(url, 'demo', 'a'), 1)).json;
  await expect.poll(() => answers.length).toBe(1);
  return { child, ended, folder, id, url, answers };
}

test('B7 SIGTERM lets running work finish within drain_grace, takes nothing new, and ends with 0', async () => {
  const { child, ended, folder, answers, id } = await startWaiting('10m');
  child.kill('SIGTERM');
  await printed(child, /Stopping: running work may finish within 10m\. A second Ctrl-C ends it at once\./);
  answers[0]?.();
  expect(await ended).toBe(0);
  expect(child.output()).toMatch(/Stopped\.\n$/);
  const { results, pending, deadLetters } = stored(folder);
  expect({ results, pending, deadLetters }).toEqual({
    results: new Map([[`demo ${id}`, 1]]),
    pending: 0,
    deadLetters: [],
  });
});

test('B7 what is not done within drain_grace is handed back, with status 0, and runs again at the next start', async () => {
  const { child, ended, folder, answers, id } = await startWaiting('100ms');
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(child.output()).toContain('1 events in flight are handed back; they run again at the next start.');
  expect(stored(folder).pending).toBe(1);
  const again = await startHere(folder);
  await expect.poll(() => answers.length).toBe(2);
  answers[1]?.();
  expect((await again.bus.result(id)).json.status).toBe('ok');
});

test('a second signal ends the host at once, and says so', async () => {
  const { child, ended, folder } = await startWaiting('1h');
  child.kill('SIGTERM');
  await printed(child, /Stopping:/);
  child.kill('SIGTERM');
  expect(await ended).toBe(143);
  expect(child.output()).toMatch(/Ended at once by a second signal \(SIGTERM\)\.\n$/);
  expect(stored(folder).pending).toBe(1);
});

test('`--log json` makes each line of the log, and what the host says of its end, a JSON object', async () => {
  const { child, ended } = await startWaiting('1ms', ['--log', 'json']);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  const lines = child
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'));
  const said = lines.map((line) => JSON.parse(line));
  expect(said.map(({ message }) => message)).toContain('Stopped.');
  expect(said).toContainEqual({
    level: 'warn',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    message: '1 events in flight are handed back; they run again at the next start.',
  });
  expect(child.output()).not.toMatch(/^(warn|Stopping|Stopped)/m);
});
