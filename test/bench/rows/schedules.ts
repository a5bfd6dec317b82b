import { join } from 'node:path';
import { Child } from '../child.ts';
import { type Rounds, summarize } from '../measure.ts';
import type { BareTimerProcess } from '../process/bare-timer.ts';
import type { SchedulesProcess, SchedulesSetup, Started } from '../process/schedules.ts';
import { type Line, type Row, type RowTools, single } from '../row.ts';
import { number } from '../table.ts';
import type { Workspace } from '../workspace.ts';

/** From one instant to the next, where all schedules are on one. */
const INSTANT_SECONDS = 10;
const QUICK_INSTANT_SECONDS = 2;

/** What many schedules cost, and how late the scheduler is with their ticks. The bus and the cells come after it. */
export const schedules: Row = {
  name: 'schedules',
  about: '100,000 schedules: start, memory, lateness of ticks',

  async run({ workspace, rounds, quick }: RowTools): Promise<Line[]> {
    const count = quick ? 10_000 : 100_000;
    const instantSeconds = quick ? QUICK_INSTANT_SECONDS : INSTANT_SECONDS;
    const many = `${count.toLocaleString('en')} schedules`;
    const setup = (spread: SchedulesSetup['spread']): SchedulesSetup => ({ count, spread, instantSeconds });
    return [
      ...(await start(workspace, rounds, many, setup('seconds'))),
      await lateness(`${many} over the seconds of a minute`, setup('seconds'), true),
      await lateness(`${many} of as many intervals`, setup('lengths'), true),
      await lateness(`${many} on one instant`, setup('instant'), false),
    ];
  },
};

async function start(
  workspace: Workspace,
  rounds: Rounds,
  many: string,
  setup: SchedulesSetup,
): Promise<Line[]> {
  const lines: Line[] = [];
  const folder = await workspace.newFolder();
  for (const isStored of [false, true]) {
    const values: number[] = [];
    let heapMiB = 0;
    for (let round = 0; round < rounds.rounds; round += 1) {
      const busFile = join(folder, `schedules-${round}.db`);
      const started = await withSchedules({ ...setup, ...(isStored ? { busFile } : {}) });
      values.push(started.startMs);
      heapMiB = started.heapMiB;
    }
    const label = isStored ? 'new in an embedded bus' : 'stored nowhere';
    const notes = isStored ? [] : [`${number(heapMiB)} MiB of heap`];
    lines.push(single({ name: `start of ${many}`, unit: 'ms', notes }, { label, values }));
  }
  return lines;
}

async function withSchedules(setup: SchedulesSetup): Promise<Started> {
  const child = new Child<SchedulesProcess>('schedules', ['--expose-gc']);
  try {
    return await child.call('start', setup);
  } finally {
    await child.stop();
  }
}

/** Beside them runs a process that has one timer and nothing else to do: what that is late, the machine is. */
async function lateness(name: string, setup: SchedulesSetup, isAimed: boolean): Promise<Line> {
  await using opened = new AsyncDisposableStack();
  const child = new Child<SchedulesProcess>('schedules', ['--expose-gc']);
  opened.defer(() => child.stop());
  const alone = new Child<BareTimerProcess>('bare-timer');
  opened.defer(() => alone.stop());
  await child.call('start', setup);
  await alone.call('start', null);
  const seconds = setup.instantSeconds + 1;
  const { ticks, p50Ms, p99Ms, maxMs, within20Ms, cpuUsPerTick, loopMaxMs } = await child.call(
    'watch',
    seconds,
  );
  const machine = summarize(await alone.call('take', null));
  const notes = [
    `${ticks} ticks in ${seconds} s: p50 ${number(p50Ms)} ms, p99 ${number(p99Ms)} ms, the latest ${number(maxMs)} ms; ${number(cpuUsPerTick)} us of processor time a tick`,
    `the event loop was held up for ${number(loopMaxMs)} ms at most; a lone timer in a process beside it came ${number(machine.median)} ms late, ${number(machine.max)} ms at most`,
  ];
  const aim = isAimed ? { aim: { measuredAtLeast: 99 } } : {};
  return single(
    { name, unit: '%', notes, ...aim },
    { label: 'of the ticks within 20 ms', values: [within20Ms] },
  );
}
