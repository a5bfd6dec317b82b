import { basename, join, resolve } from 'node:path';
import { GtpackError } from '../../errors.ts';
import type { BuildStep, BuiltPack } from '../../pack/build.ts';
import { BuildStamp, builderDigest } from '../build-stamp.ts';
import { note, plain, print, printJson, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { signingWith } from '../signing.ts';
import type { CliWorld } from '../world.ts';

export interface PackBuildOptions {
  /** Default: this folder. */
  readonly out: string | undefined;
  /** File of the key to sign with. */
  readonly sign: string | undefined;
  /** Leave out packs whose sources, SDK and builder are those of the last build. */
  readonly ifChanged: boolean;
  readonly json: boolean;
}

/** Builds each folder into `OUT/<folder's name>.gtpack`. @throws GtpackError as building does */
export async function packBuild(
  world: CliWorld,
  rooms: Rooms,
  dirs: readonly string[],
  options: PackBuildOptions,
): Promise<number> {
  const targets = targetsOf(world, dirs, options.out ?? '.');
  const signing = options.sign === undefined ? undefined : await signingWith(world, rooms, options.sign);
  const builder = `${await builderDigest()} ${signing?.key.publicKey.fingerprint ?? 'unsigned'}`;
  const built: unknown[] = [];
  for (const { dir, outFile } of targets) {
    const stamp = await BuildStamp.of(dir, outFile, builder);
    if (options.ifChanged && (await stamp.matches())) {
      built.push({ file: outFile, unchanged: true });
      continue;
    }
    const pack = await rooms.buildPack(dir, {
      outFile,
      onProgress: (step) => showStep(world, step),
      ...(signing === undefined ? {} : { signing }),
    });
    await stamp.write();
    built.push(pack);
    if (!options.json) await print(world, builtLine(world, pack));
  }
  if (options.json) await printJson(world, { packs: built });
  return 0;
}

interface Target {
  readonly dir: string;
  readonly outFile: string;
}

function targetsOf(world: CliWorld, dirs: readonly string[], out: string): Target[] {
  const targets = new Map<string, string>();
  for (const given of dirs) {
    const dir = resolve(world.cwd, given);
    const outFile = join(resolve(world.cwd, out), `${basename(dir)}.gtpack`);
    const other = targets.get(outFile);
    if (other !== undefined && other !== dir) {
      throw new GtpackError('option_invalid', `${other} and ${dir} would both become ${outFile}.`, {
        cure: 'Build them into different folders.',
      });
    }
    targets.set(outFile, dir);
  }
  return [...targets].map(([outFile, dir]) => ({ dir, outFile }));
}

function showStep(world: CliWorld, step: BuildStep): void {
  if (!world.showsProgress) return;
  switch (step.kind) {
    case 'compile':
      void note(world, plain(`Compiling ${step.provider} (${step.language}) …`));
      return;
    case 'check':
      void note(world, plain(`Checking ${step.provider} (${step.bytes} bytes) …`));
      return;
    case 'write':
      return;
  }
}

function builtLine(world: CliWorld, { file, id, version, bytes, signer }: BuiltPack): string {
  const signed = signer === null ? 'not signed' : `signed by blake3:${signer}`;
  return plain(`Built ${shownPath(world, file)}: ${id} ${version}, ${bytes} bytes, ${signed}.`);
}
