import * as zip from '@zip.js/zip.js';
import { type ErrorCode, errorMessage, GtpackError } from '../errors.ts';

interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
}

const FAULTS: ReadonlyMap<string, Fault> = new Map([
  [
    zip.ERR_EOCDR_NOT_FOUND,
    { code: 'archive_truncated', message: 'The archive has no end record: it is cut off.' },
  ],
  [
    zip.ERR_BAD_FORMAT,
    { code: 'archive_truncated', message: 'The end record points outside the archive: it is cut off.' },
  ],
  [
    zip.ERR_CENTRAL_DIRECTORY_NOT_FOUND,
    {
      code: 'archive_damaged',
      message: 'The central directory is not where the end record says, or holds fewer entries.',
    },
  ],
  [
    zip.ERR_LOCAL_FILE_HEADER_NOT_FOUND,
    { code: 'archive_damaged', message: 'An entry of the central directory points at no entry.' },
  ],
  [
    zip.ERR_ENTRY_DATA_OUT_OF_BOUNDS,
    {
      code: 'archive_damaged',
      message: 'The central directory says that an entry is longer than the archive.',
    },
  ],
  [
    zip.ERR_OVERLAPPING_ENTRY,
    { code: 'archive_overlap', message: 'Two entries share the same bytes of the archive.' },
  ],
  [
    zip.ERR_ENCRYPTED_CENTRAL_DIRECTORY,
    { code: 'archive_encrypted', message: 'The central directory is encrypted.' },
  ],
  [
    zip.ERR_SPLIT_ZIP_FILE,
    { code: 'archive_damaged', message: 'The file is one part of an archive that was split.' },
  ],
]);

/** The host's error for what zip.js refuses. */
export function archiveFault(error: unknown, file: string): GtpackError {
  const text = errorMessage(error);
  const fault = FAULTS.get(text);
  if (fault !== undefined) return new GtpackError(fault.code, fault.message, { file });
  if (text === zip.ERR_AMBIGUOUS_ARCHIVE) {
    const reason = error instanceof Error && 'reason' in error ? String(error.reason) : 'no reason given';
    return new GtpackError(
      'archive_ambiguous',
      `Other readers would read the archive differently: ${reason}.`,
      {
        file,
        cure: 'Build it again with "gtpack pack build DIR".',
      },
    );
  }
  return new GtpackError('archive_damaged', `The archive cannot be read: ${text}.`, { file });
}
