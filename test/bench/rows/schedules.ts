import { join } from 'node:path';
import { Child } from '../child.ts';
import type { Lateness, SchedulesProcess, SchedulesSetup, Started } from '../process/schedules.ts';
import { type Line, type Row, type RowTools, single } from '../row.ts';
import { number } from '../table.ts';

/** Longer than it is from one instant to the next. */
const WATCHED_SECONDS = 11;

/** What many schedules cost, and how late the scheduler is with their ticks. The bus and the cells come after it. */
export const schedules: Row = {
  name: 'schedules',
  about: '100,000 schedules: start, memory, lateness of ticks',

  async run(tools: RowTools): Promise<Line[]> {
    const count = tools.quick ? 10_000 : 100_000;
    const many = `${count.toLocaleString('en')} schedules`;
    return [
      ...(await start(tools, many, { count, spread: 'seconds' })),
      await lateness(`${many} over the seconds of a minute`, { count, spread: 'seconds' }, true),
      await lateness(`${many} of as many intervals`, { count, spread: 'lengths' }, true),
      await lateness(`${many} on one instant`, { count, spread: 'instant' }, false),
    ];
  },
};

async function start({ workspace, rounds }: RowTools, many: string, setup: SchedulesSetup): Promise<Line[]> {
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

async function lateness(name: string, setup: SchedulesSetup, isAimed: boolean): Promise<Line> {
  const child = new Child<SchedulesProcess>('schedules', ['--expose-gc']);
  let measured: Lateness;
  try {
    await child.call('start', setup);
    measured = await child.call('watch', WATCHED_SECONDS);
  } finally {
    await child.stop();
  }
  const { ticks, p50Ms, p99Ms, maxMs, within20Ms } = measured;
  const notes = [
    `${ticks} ticks in ${WATCHED_SECONDS} s: p50 ${number(p50Ms)} ms, p99 ${number(p99Ms)} ms, the latest ${number(maxMs)} ms`,
  ];
  const aim = isAimed ? { aim: { measuredAtLeast: 99 } } : {};
  return single(
    { name, unit: '%', notes, ...aim },
    { label: 'of the ticks within 20 ms', values: [within20Ms] },
  );
}
