import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Rounds } from './measure.ts';
import type { Line, Row } from './row.ts';
import { ROWS } from './rows.ts';
import { table } from './table.ts';
import { Workspace } from './workspace.ts';

/** `npm run bench`: what the host costs, as ratios of pairs that are measured in one run. */

const FULL: Rounds = { rounds: 5, seconds: 2, warmUpSeconds: 2 };
/** Shows that every row still runs; the numbers mean little. */
const QUICK: Rounds = { rounds: 1, seconds: 0.3, warmUpSeconds: 0.3 };

/** Rows of a smoke run that run at a time: most of it is waiting for processes. */
const QUICK_AT_ONCE = 2;

const USAGE = `usage: npm run bench -- [--json] [--quick] [--rounds N] [--only NAME]...

${ROWS.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}
`;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

interface Wishes {
  readonly rows: readonly Row[];
  readonly json: boolean;
  readonly quick: boolean;
  readonly rounds: Rounds;
}

/** @returns undefined for wrong usage */
function readArguments(): Wishes | undefined {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    const unknown = values.only.filter((name) => !ROWS.some((row) => row.name === name));
    if (unknown.length > 0) throw new Error(`There is no row ${unknown.join(', ')}.`);
    const rows = values.only.length === 0 ? ROWS : ROWS.filter(({ name }) => values.only.includes(name));
    const usual = values.quick ? QUICK : FULL;
    const count = Number(values.rounds ?? usual.rounds);
    if (!Number.isInteger(count) || count < 1) throw new Error('--rounds takes a whole number from 1 on.');
    return { rows, json: values.json, quick: values.quick, rounds: { ...usual, rounds: count } };
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    say(USAGE);
    return undefined;
  }
}

/** @returns whether every row went through */
async function run({ rows, json, quick, rounds }: Wishes): Promise<boolean> {
  const workspace = await Workspace.open();
  const measured = new Map<Row, Line[]>();
  const failures: { readonly row: string; readonly message: string }[] = [];
  try {
    // Its processes load the same sources over and over. Cell hosts, whose environment is empty, do not get it.
    process.env.NODE_COMPILE_CACHE = join(workspace.folder, 'code');
    say(`Everything is kept in ${workspace.folder}; TMPDIR chooses the disk.`);
    const waiting = rows.values();
    const work = async (): Promise<void> => {
      // Shared: each row is taken once.
      for (const row of waiting) {
        say(`${row.name}: ${row.about}`);
        try {
          measured.set(row, await row.run({ workspace, rounds, quick }));
        } catch (error) {
          const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
          failures.push({ row: row.name, message });
          say(`${row.name} failed: ${message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: quick ? QUICK_AT_ONCE : 1 }, work));
  } finally {
    await workspace.remove();
  }
  const lines = rows.flatMap((row) => measured.get(row) ?? []);
  const machine = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
  };
  if (json) {
    const report = { version: 1, machine, quick, rounds, lines, failures };
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    process.stdout.write(
      `Node ${machine.node}, ${machine.platform}, ${machine.cores} cores of ${machine.cpu}; medians of ${rounds.rounds} rounds of ${rounds.seconds} s.\nA ratio is the median of the rounds' ratios.\n\n${table(lines)}`,
    );
    for (const { row } of failures) process.stdout.write(`${row} failed\n`);
  }
  return failures.length === 0;
}

const wishes = readArguments();
if (wishes === undefined) process.exitCode = 2;
else if (!(await run(wishes))) process.exitCode = 1;
