import { resolve } from 'node:path';
import { plain, print, printJson, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

/** Makes a publisher's key pair. @throws GtpackError `key_unwritable` */
export async function keygen(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  { json }: { readonly json: boolean },
): Promise<number> {
  const pair = await rooms.writeKeyPair(resolve(world.cwd, file));
  if (json) {
    await printJson(world, {
      private_key: pair.privateFile,
      public_key: pair.publicFile,
      fingerprint: pair.fingerprint,
    });
    return 0;
  }
  await print(
    world,
    ...[
      `Private key  ${shownPath(world, pair.privateFile)}: sign with it, and keep it to yourself.`,
      `Public key   ${shownPath(world, pair.publicFile)}: give it to operators, for the "trust" of their bundles.`,
      `Fingerprint  blake3:${pair.fingerprint}`,
    ].map(plain),
  );
  return 0;
}
