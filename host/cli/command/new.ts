import { resolve } from 'node:path';
import { GtpackError } from '../../errors.ts';
import { LANGUAGES, type Language } from '../../pack/new-pack.ts';
import { plain, print, printJson, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

/** Makes the source of a pack to begin with. @throws GtpackError `option_invalid`, `pack_unwritable` */
export async function newSource(
  world: CliWorld,
  rooms: Rooms,
  dir: string,
  { language, json }: { readonly language: string; readonly json: boolean },
): Promise<number> {
  const made = await rooms.newPack(resolve(world.cwd, dir), languageOf(language));
  if (json) {
    await printJson(world, { folder: made.dir, name: made.name, files: made.files });
    return 0;
  }
  const program = world.env.npm_lifecycle_event === undefined ? 'gtpack' : 'npm run -s gtpack --';
  const folder = shownPath(world, made.dir);
  await print(
    world,
    ...[
      `Made ${folder}: ${made.files.join(', ')}.`,
      '',
      'Build it, and call it:',
      `  ${program} pack build ${folder}`,
      `  ${program} call ${made.name}.gtpack greet --input '{"name": "Ann"}'`,
      '',
      `${folder}/README.md says how to sign it and run it.`,
    ].map(plain),
  );
  return 0;
}

function languageOf(written: string): Language {
  const language = LANGUAGES.find((each) => each === written);
  if (language !== undefined) return language;
  throw new GtpackError('option_invalid', `--language takes ${LANGUAGES.join(' or ')}; ${written} came.`, {
    cure: 'AssemblyScript makes the smallest and fastest providers; TypeScript the most comfortable ones.',
  });
}
