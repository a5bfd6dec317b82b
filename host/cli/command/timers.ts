import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  connectControl,
  MAX_NEXT,
  type OperatorTimers,
  type ScheduleLine,
  type TimerLine,
} from '../../control/control.ts';
import { GtpackError } from '../../errors.ts';
import { quoted } from '../../event/names.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { note, print, printJson } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { table, timeText } from '../table.ts';
import type { CliWorld } from '../world.ts';

export interface TimersOptions {
  readonly bundle?: string;
  readonly tenant?: string;
  /** Instants of each schedule. */
  readonly next?: string;
  readonly json: boolean;
}

const DEFAULT_NEXT = '3';

/**
 * Shows the next instants of every schedule, and what providers have set of timers: of the host that runs the bundle,
 * else of the bundle and its store.
 * @throws GtpackError `option_invalid`, and as the control socket, the bundle and the store do
 */
export async function timers(world: CliWorld, rooms: Rooms, options: TimersOptions): Promise<number> {
  const next = countOf(options.next ?? DEFAULT_NEXT);
  const { source, isRunning, close } = await open(world, rooms, options.bundle);
  try {
    const schedules: ScheduleLine[] = [];
    const waiting: TimerLine[] = [];
    for (let from: number | null = 0; from !== null && !world.stop.aborted; ) {
      const page = await source.page({ tenant: options.tenant, next, from });
      schedules.push(...page.schedules);
      waiting.push(...page.timers);
      from = page.more;
    }
    if (options.json) await printJson(world, { running: isRunning, schedules, timers: waiting });
    else await show(world, schedules, waiting);
    return 0;
  } finally {
    close();
  }
}

interface Opened {
  readonly source: OperatorTimers;
  readonly isRunning: boolean;
  close(): void;
}

async function open(world: CliWorld, rooms: Rooms, named: string | undefined): Promise<Opened> {
  const path = await chooseBundle(world, named);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  try {
    const client = await connectControl(isFile ? dirname(path) : path);
    return { source: client.timers, isRunning: true, close: () => client.close() };
  } catch (error) {
    if (!(error instanceof GtpackError && error.code === 'host_not_running')) throw error;
  }
  await note(world, 'No host is running; these are the schedules of the bundle.');
  const bundle = await rooms.loadBundle(path, world.env);
  return { source: await rooms.bundleTimers(bundle, world.now), isRunning: false, close: () => undefined };
}

async function show(
  world: CliWorld,
  schedules: readonly ScheduleLine[],
  waiting: readonly TimerLine[],
): Promise<void> {
  if (schedules.length === 0) await print(world, 'There are no schedules.');
  else {
    const rows = schedules.map(({ tenant, schedule, plan, catch_up, overlap, next }) => {
      const instants = next.length === 0 ? 'never' : next.map(timeText).join(' ');
      return [tenant, schedule, plan, catch_up, overlap, instants];
    });
    await print(world, ...table(['tenant', 'schedule', 'plan', 'catch_up', 'overlap', 'next'], rows));
  }
  if (waiting.length === 0) return;
  const rows = waiting.map(({ tenant, provider, event_type, count, next }) => [
    tenant,
    provider,
    event_type,
    String(count),
    timeText(next),
  ]);
  await print(world, '', ...table(['tenant', 'provider', 'timers for', 'count', 'next'], rows));
}

function countOf(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_NEXT) return count;
  throw new GtpackError(
    'option_invalid',
    `--next takes a whole number from 1 to ${MAX_NEXT}; ${quoted(text)} came.`,
    {
      cure: 'Write --next 3.',
    },
  );
}
