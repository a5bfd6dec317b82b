import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import type { ProviderSchedules } from '../../host/bundle/provider-schedules.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-schedules-'));
  await writeFile(join(dir, 'a.gtpack'), '');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** What the config of the only provider says. */
async function read(config: string): Promise<ProviderSchedules> {
  const yaml = `providers:
  a:
    pack: a.gtpack
    config:
${config}`;
  await writeFile(join(dir, 'bundle.yaml'), yaml);
  const { tenants } = await loadBundle(dir, {});
  const schedules = tenants[0]?.providers[0]?.schedules;
  if (schedules === undefined) throw new Error('none');
  return schedules;
}

test('a provider’s config names schedules and the time zone of those that name none', async () => {
  expect(
    await read(`      timezone: Europe/Berlin
      schedules:
        nightly: { cron: "0 3 * * *", catch_up: all, catch_up_window: 2h, event_type: report.due }
        often: { interval_seconds: 30, overlap: skip, jitter: 5s, catch_up: none }
`),
  ).toEqual({
    timezone: 'Europe/Berlin',
    problems: [],
    schedules: [
      {
        name: 'nightly',
        timing: {
          plan: { kind: 'cron', cron: '0 3 * * *', timezone: null },
          ...{ catchUp: 'all', catchUpWindowMs: 7_200_000, overlap: 'queue', jitterMs: 0 },
        },
      },
      {
        name: 'often',
        timing: {
          plan: { kind: 'interval', everyMs: 30_000 },
          ...{ catchUp: 'none', catchUpWindowMs: 86_400_000, overlap: 'skip', jitterMs: 5000 },
        },
      },
    ],
  });
});

test('what is wrong with them is told with its place, and loads for a provider that means something else by it', async () => {
  const { problems } = await read(`      timezone: Mars/Olympus
      schedules:
        never: { cron: "0 0 30 2 *" }
        Wrong: { cron: "0 3 * * *" }
        typo: { corn: "0 3 * * *" }
        both: { cron: "0 3 * * *", interval_seconds: 5 }
        type: { interval_seconds: 5, event_type: Not.This }
        hosts: { interval_seconds: 5, event_type: host.call }
`);
  const base = 'providers.a.config';
  expect(
    problems.map(({ line, column, message }) => `${line}:${column} ${message.slice(base.length)}`),
  ).toEqual([
    '5:17 .timezone: There is no timezone "Mars/Olympus".',
    '7:24 .schedules.never.cron: "0 0 30 2 *" never comes: no month that it names has such a day.',
    expect.stringMatching(/^8:9 \.schedules\.Wrong: A name of a to z/),
    expect.stringMatching(/^9:17 \.schedules\.typo\.corn: Unknown key "corn"\. Did you mean "cron"\?$/),
    '10:15 .schedules.both: The schedule says both `cron` and `interval_seconds`.',
    expect.stringMatching(/^11:50 \.schedules\.type\.event_type: /),
    expect.stringMatching(/^12:51 \.schedules\.hosts\.event_type: .* "host\.call" is the host's own/),
  ]);
  expect((await read('      schedules: every day\n')).problems).toHaveLength(1);
});
