import { resolve } from 'node:path';
import { plain, print, printJson, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { signingWith } from '../signing.ts';
import type { CliWorld } from '../world.ts';

export interface PackSignOptions {
  readonly key: string;
  /** Default: the file itself is replaced. */
  readonly out: string | undefined;
  readonly json: boolean;
}

/** Signs a pack. @throws GtpackError as reading, signing and writing it do */
export async function packSign(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  { key, out, json }: PackSignOptions,
): Promise<number> {
  const path = resolve(world.cwd, file);
  const outFile = out === undefined ? path : resolve(world.cwd, out);
  const signed = await rooms.signPack(path, outFile, await signingWith(world, rooms, key));
  if (json) {
    await printJson(world, { file: signed.file, digest: signed.digest, fingerprint: signed.signer });
  } else {
    await print(world, plain(`Signed ${shownPath(world, signed.file)} by blake3:${signed.signer}.`));
  }
  return 0;
}
