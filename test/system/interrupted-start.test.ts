import { watch } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { gtpack, printed, startProcess } from './host-process.ts';
import { packFile } from './packs.ts';
import { post, webhook } from './request.ts';

/** A file's path, with a mark for what is random in it. */
const steady = (path: string): string =>
  path.replace(/\/s-\w{6}/, '/s-#').replaceAll(/[0-9a-f]{8}[0-9a-f-]*/g, '#');

/**
 * Kills a command as soon as it has made or changed a file that is not among those.
 * @returns the file; undefined where it was up, or had ended well, before
 */
async function killedAtNext(
  folder: string,
  seen: Set<string>,
  words: readonly string[],
): Promise<string | undefined> {
  const made = Promise.withResolvers<string>();
  const watcher = watch(folder, { recursive: true }, (_, path) => {
    const name = steady(path ?? '');
    if (!seen.has(name)) made.resolve(name);
  });
  onTestFinished(() => watcher.close());
  const child = gtpack(words);
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const up = printed(child, /Ctrl-C stops it/).then(
    () => undefined,
    () => undefined, // It ended before.
  );
  const name = await Promise.race([made.promise, up]);
  child.kill('SIGKILL');
  const status = await closed;
  watcher.close();
  // Nothing that an earlier one left keeps it from its work.
  if (status !== null && status !== 0) throw new Error(`It ended with ${status}:\n${child.output()}`);
  if (name !== undefined) seen.add(name);
  return name;
}

test('a first start that is killed at each file that it makes leaves a bundle that starts', async () => {
  const folder = await writeBundle(
    tenantsBundle({ demo: { flows: { count: scriptFlow('count', 'event.payload.n') } } }),
  );
  const seen = new Set<string>();
  for (;;) {
    const name = await killedAtNext(folder, seen, ['up', folder]);
    if (name === undefined) break;
  }
  // It came as far as this.
  const milestones = ['gtpack.lock', '.gtpack/bus.sqlite', '.gtpack/bus.sqlite-wal', '.gtpack/host.sock'];
  expect([...seen]).toEqual(expect.arrayContaining(milestones));
  const host = await startProcess(folder);
  const { status, json } = await post(webhook(host.url, 'demo', 'order.created'), { n: 7 });
  expect(status).toBe(202);
  expect((await host.bus.result(json.id)).json.output).toBe(7);
  expect(await host.terminate()).toBe(0);
}, 120_000);

test('an install that is killed at each file that it makes leaves a bundle that is sound, and is done by the next one', async () => {
  const folder = await writeBundle(
    tenantsBundle({ demo: { flows: { count: scriptFlow('count', 'event.payload.n') } } }),
  );
  const words = ['--tenant', 'demo', '--provider', 'second', '--allow-unsigned', '--yes'];
  const install = ['install', await packFile('echo-as'), '--bundle', folder, ...words];
  const seen = new Set<string>();
  while ((await killedAtNext(folder, seen, install)) !== undefined) {
    const check = gtpack(['check', folder]);
    const status = await new Promise((resolve) => check.once('close', resolve));
    expect(status, check.output()).toBe(0);
  }
  expect([...seen]).toEqual(expect.arrayContaining(['bundle.yaml', 'gtpack.lock']));
  const host = await startProcess(folder);
  expect(host.child.output()).toContain('provider  second');
  expect(await host.terminate()).toBe(0);
}, 120_000);
