import { GtpackError, type Problem } from '../../errors.ts';
import type { BundleCheck } from '../../running-host.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { note, plain, print, printJson, problemLine, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

export interface CheckOptions {
  readonly bundle: string | undefined;
  readonly json: boolean;
}

/** Reports every problem of a bundle, its packs and its flows. */
export async function check(world: CliWorld, rooms: Rooms, options: CheckOptions): Promise<number> {
  const path = await chooseBundle(world, options.bundle);
  const { problems, packs, flows, isolated, warnings, notes } = await checkAll(world, rooms, path);
  const ok = problems.length === 0;
  if (options.json) {
    await printJson(world, { ok, bundle: path, packs, flows, isolated, problems, warnings, notes });
  } else if (ok) {
    await note(world, ...[...warnings, ...notes].map(plain));
    await print(
      world,
      `${plain(shownPath(world, path))} is sound: ${counted(packs, 'pack')}, ${counted(flows, 'flow')}.`,
      ...(isolated.length === 0 ? [] : [`In a cell host of their own: ${isolated.join(', ')}.`]),
    );
  } else {
    await note(world, ...problems.map((problem) => problemLine(world, problem)));
    await note(world, `${counted(problems.length, 'problem')} found.`);
  }
  return ok ? 0 : 1;
}

async function checkAll(world: CliWorld, rooms: Rooms, path: string): Promise<BundleCheck> {
  try {
    return await rooms.checkBundle(await rooms.loadBundle(path, world.env));
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    const problems: readonly Problem[] = error.problems;
    return { problems, packs: 0, flows: 0, isolated: [], warnings: [], notes: [] };
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
