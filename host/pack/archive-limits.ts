import { GtpackError } from '../errors.ts';
import type { Limits } from '../limits.ts';

/** The bounds that hold for an archive. */
export type ArchiveLimits = Pick<
  Limits,
  'maxArchiveBytes' | 'maxEntryBytes' | 'maxEntries' | 'maxCompressionRatio' | 'maxManifestBytes'
>;

/** For a file whose size is known before it is read. */
export function archiveTooLarge(file: string, size: number, limits: ArchiveLimits): GtpackError {
  return new GtpackError(
    'archive_too_large',
    `The archive is ${size} bytes long; at most ${limits.maxArchiveBytes} are read.`,
    { file },
  );
}
