import { resolve } from 'node:path';
import { GtpackError } from '../errors.ts';
import type { Signing } from '../pack/build.ts';
import type { Rooms } from './rooms.ts';
import type { CliWorld } from './world.ts';

const MAX_EPOCH_SECONDS = 253_402_300_799;

/**
 * A key to sign with, and the instant to sign: now, or that of `SOURCE_DATE_EPOCH` (reproducible-builds.org), so that a
 * signed pack can be built twice with the same bytes.
 * @throws GtpackError `file_unreadable`, `key_invalid`, `option_invalid`
 */
export async function signingWith(world: CliWorld, rooms: Rooms, keyFile: string): Promise<Signing> {
  return {
    key: await rooms.readSigningKey(resolve(world.cwd, keyFile)),
    signedAt: new Date(signingInstant(world)).toISOString().replace(/\.\d+Z$/, 'Z'),
  };
}

function signingInstant({ env, now }: CliWorld): number {
  const { SOURCE_DATE_EPOCH: epoch } = env;
  if (epoch === undefined) return now();
  const seconds = /^\d{1,12}$/.test(epoch) ? Number(epoch) : Number.NaN;
  if (seconds <= MAX_EPOCH_SECONDS) return seconds * 1000;
  throw new GtpackError(
    'option_invalid',
    `SOURCE_DATE_EPOCH: whole seconds since 1970 were expected; ${JSON.stringify(epoch)} came.`,
    { cure: 'Unset it to sign with the time of now.' },
  );
}
