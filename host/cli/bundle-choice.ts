import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { GtpackError } from '../errors.ts';
import { note, shownPath } from './output.ts';
import type { CliWorld } from './world.ts';

const BUNDLE_FILE = 'bundle.yaml';
const DEMO = join('bundles', 'demo');

/**
 * The bundle that a command means: the one it names, else the folder it runs in, else the demo of a checkout. Says so
 * where it had to choose.
 * @returns an absolute path, of a folder or of a file
 * @throws GtpackError `bundle_not_found`
 */
export async function chooseBundle(world: CliWorld, named: string | undefined): Promise<string> {
  if (named !== undefined) return resolve(world.cwd, named);
  const dir = await defaultBundleDir(world);
  if (dir !== undefined) {
    await note(world, `Using the bundle ${shownPath(world, join(dir, BUNDLE_FILE))}.`);
    return dir;
  }
  throw new GtpackError('bundle_not_found', `There is no ${BUNDLE_FILE} in ${world.cwd}.`, {
    cure: 'Go to the folder of a bundle, or name it: `gtpack up BUNDLE`, `gtpack tail --bundle BUNDLE`.',
  });
}

/** The folder whose bundle a command means that names none. */
export async function defaultBundleDir({ cwd }: CliWorld): Promise<string | undefined> {
  for (const dir of [cwd, join(cwd, DEMO)]) if (await isFile(join(dir, BUNDLE_FILE))) return dir;
  return undefined;
}

/** The folder of the bundle that a command means: where a running host has its socket. @throws as `chooseBundle` */
export async function chooseBundleDir(world: CliWorld, named: string | undefined): Promise<string> {
  const path = await chooseBundle(world, named);
  return (await isFile(path)) ? dirname(path) : path;
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
