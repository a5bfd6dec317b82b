import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { ACME, Collector, message, runOf, settled } from '../conformance/bus/collector.ts';
import { ManualTime } from '../conformance/bus/manual-time.ts';
import { temporaryFolder } from './fixture/folder.ts';

const large = (id: string) => message(id, JSON.stringify({ text: 'x'.repeat(8000) }));

test('near its bound the oldest of what is settled makes room, and nothing is refused', async () => {
  const scheduler = new ManualTime();
  const file = `${temporaryFolder()}/bus.db`;
  const options = { file, scheduler, maxFileBytes: 4 * 1024 * 1024 };
  const bus = await openEmbeddedBus(options);
  const collector = await Collector.start(bus, ACME, 1000);
  await bus.publish(ACME, [large('waits')]);
  let settledCount = 0;
  for (let index = 0; index < 900; index += 1) {
    await bus.publish(ACME, [large(`event-${index}`)]);
    await collector.until(index + 2);
    const run = { ...runOf(`run-${index}`), journalJson: JSON.stringify('x'.repeat(2000)) };
    await collector.ack(collector.at(index + 1), [run]);
    settledCount += 1;
    // A round at the bound begins 5 s after the last; its steps follow one another while nothing else is asked for.
    scheduler.advance(100);
    await settled(bus);
  }
  expect(settledCount).toBe(900);
  // B4: what made room is known by its id all the same.
  expect(await bus.publish(ACME, [large('event-0'), large('event-899')])).toEqual([
    { id: 'event-0', duplicate: true },
    { id: 'event-899', duplicate: true },
  ]);
  // B2: what waits stayed as it was.
  await bus.close();
  const again = await openEmbeddedBus(options);
  const after = await Collector.start(again, ACME, 10);
  await after.until(1);
  expect(after.at(0)).toMatchObject({ ...large('waits'), redelivered: true });
  // The newest runs are there, the oldest went.
  expect(await again.runs.get('run-899')).not.toBeNull();
  expect(await again.runs.get('run-0')).toBeNull();
  await again.close();
}, 60_000);

const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test.runIf(canMount)(
  'on a disk that is full what was accepted stays, and with space again the same bus goes on',
  async () => {
    const folder = temporaryFolder();
    const script = fileURLToPath(new URL('fixture/full-disk.ts', import.meta.url));
    const mount = `mount -t tmpfs -o size=6m none '${folder}' && exec '${process.execPath}' '${script}' '${folder}'`;
    const child = spawn('unshare', ['-rm', 'sh', '-c', mount], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    const report = JSON.parse(lines.at(-1) ?? '{}');
    expect(report.refusal).toEqual({ code: 'bus_disk_full', retryable: true });
    expect(report.stored).toBeGreaterThan(50);
    expect(report.refusedWhileFull).toBe(true);
    expect(report.storedAfter).toBe(true);
    expect(report.missing).toEqual([]);
    expect(report.twice).toEqual([]);
    expect(report.problems).toEqual([]);
  },
  60_000,
);
