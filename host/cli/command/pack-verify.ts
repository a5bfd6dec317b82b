import { resolve } from 'node:path';
import { plain, print, printJson } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

export interface PackVerifyOptions {
  /** Files of public keys. */
  readonly trust: readonly string[];
  readonly json: boolean;
}

/**
 * Checks a pack's files, its signature, and whether its signer is trusted.
 * @returns 1 where the signature holds and its key is not among those that are trusted
 * @throws GtpackError for everything that does not hold
 */
export async function packVerify(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  { trust, json }: PackVerifyOptions,
): Promise<number> {
  const trusted = new Set<string>();
  for (const key of trust) {
    trusted.add((await rooms.readPublicKey(resolve(world.cwd, key))).fingerprint);
  }
  const pack = await rooms.verifyPack(resolve(world.cwd, file), trusted);
  if (json) {
    await printJson(world, {
      ok: pack.trusted,
      digest: pack.digest,
      fingerprint: pack.signer,
      signed_at: pack.signedAt,
      trusted: pack.trusted,
    });
  } else {
    await print(
      world,
      ...[
        `${file}: every file is the one that was signed.`,
        `digest     blake3:${pack.digest}`,
        `signed by  blake3:${pack.signer}, on ${pack.signedAt} as the pack says: no signature covers the instant`,
        pack.trusted ? 'This key is trusted.' : 'This key is not one of those given with --trust.',
      ].map(plain),
    );
  }
  return pack.trusted ? 0 : 1;
}
