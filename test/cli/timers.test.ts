import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { openControl, type ScheduleLine } from '../../host/control/control.ts';
import { bundleTimers } from '../../host/deploy/bundle-timers.ts';
import { FakeHost } from '../control/fake-host.ts';
import { packPath, writeBundle } from '../system/bundle.ts';
import { start } from './desk.ts';

const line = (schedule: string, next: readonly string[]): ScheduleLine => ({
  tenant: 'demo',
  schedule,
  provider: 'events-timer',
  plan: '0 9 * * * UTC',
  catch_up: 'latest',
  catch_up_window_ms: 86_400_000,
  overlap: 'queue',
  jitter_ms: 0,
  next: next.map((at) => Date.parse(at)),
});

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'gtpack-timers-'));
  onTestFinished(() => rm(made, { recursive: true }));
  await mkdir(join(made, 'b'));
  await writeFile(join(made, 'b', 'bundle.yaml'), 'providers: {}\n');
  return made;
}

async function withHost(schedules: readonly ScheduleLine[]): Promise<string> {
  const cwd = await folder();
  const host = new FakeHost();
  host.schedules = schedules;
  const control = await openControl(join(cwd, 'b'), host);
  onTestFinished(() => control.close());
  return cwd;
}

describe('gtpack timers', () => {
  const schedules = [
    line('flow:a/0', ['2026-01-01T09:00:00Z', '2026-01-02T09:00:00Z']),
    line('flow:b/0', []),
    line('provider:events-timer/nightly', ['2026-01-01T03:00:00Z']),
  ];

  test('shows what a running host has, page after page', async () => {
    const desk = start(['timers', '--bundle', 'b', '--next', '1'], { cwd: await withHost(schedules) });
    expect(await desk.status).toBe(0);
    expect(desk.out()).toBe(
      [
        'tenant  schedule                       plan           catch_up  overlap  next',
        'demo    flow:a/0                       0 9 * * * UTC  latest    queue    2026-01-01T09:00:00.000Z',
        'demo    flow:b/0                       0 9 * * * UTC  latest    queue    never',
        'demo    provider:events-timer/nightly  0 9 * * * UTC  latest    queue    2026-01-01T03:00:00.000Z',
        '',
        'tenant  provider  timers for    count  next',
        'demo    orders    reminder.due  2      2026-01-01T00:00:00.000Z',
        '',
      ].join('\n'),
    );
    expect(desk.err()).toBe('');
  });

  test('as JSON it is one document', async () => {
    const desk = start(['timers', '--bundle', 'b', '--json'], { cwd: await withHost(schedules) });
    expect(await desk.status).toBe(0);
    expect(JSON.parse(desk.out())).toEqual({
      running: true,
      schedules,
      timers: [
        { tenant: 'demo', provider: 'orders', event_type: 'reminder.due', count: 2, next: 1_767_225_600_000 },
      ],
    });
  });

  test.each(['0', '101', '-1', '1.5', 'many'])('--next %s is wrong usage', async (next) => {
    const desk = start(['timers', '--bundle', 'b', `--next=${next}`], { cwd: await folder() });
    expect(await desk.status).toBe(2);
    expect(desk.err()).toContain('--next takes a whole number from 1 to 100');
  });

  test('without a host it shows the bundle’s, says so, and makes no store', async () => {
    const dir = await writeBundle({
      yaml: `providers:
  events-timer:
    pack: ${packPath('events-timer')}
    config:
      timezone: Europe/Berlin
      schedules:
        nightly: { cron: "0 3 * * *", catch_up: all, overlap: skip, jitter: 5s }
flows: [flows/daily.ygtc]
`,
      packs: ['events-timer'],
      files: {
        'flows/daily.ygtc': `name: daily
version: "1.0"
nodes:
  - { id: a, type: transform, config: { value: 1 } }
triggers:
  - { type: timer, cron: "0 9 * * *", target: a }
  - { type: timer, interval_seconds: 3600, target: a }
`,
      },
    });
    const desk = start(['timers', '--bundle', dir, '--next', '2', '--json'], {
      cwd: dir,
      rooms: { loadBundle, bundleTimers },
    });
    expect(await desk.status, desk.err()).toBe(0);
    expect(desk.err()).toContain('No host is running');
    const { running, schedules: shown, timers } = JSON.parse(desk.out());
    expect([running, timers]).toEqual([false, []]);
    // From noon of the first of January 2025.
    expect(shown).toEqual([
      {
        ...line('provider:events-timer/nightly', ['2025-01-02T02:00:00Z', '2025-01-03T02:00:00Z']),
        tenant: 'default',
        plan: '0 3 * * * Europe/Berlin',
        ...{ catch_up: 'all', overlap: 'skip', jitter_ms: 5000 },
      },
      {
        ...line('flow:daily/0', ['2025-01-02T08:00:00Z', '2025-01-03T08:00:00Z']),
        tenant: 'default',
        plan: '0 9 * * * Europe/Berlin',
      },
      {
        ...line('flow:daily/1', ['2025-01-01T13:00:00Z', '2025-01-01T14:00:00Z']),
        tenant: 'default',
        plan: 'every 3600 s',
      },
    ]);
  });
});
