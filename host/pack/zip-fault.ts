import * as zip from '@zip.js/zip.js';
import { type ErrorCode, errorMessage, GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';

interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
}

const FAULTS: ReadonlyMap<string, Fault> = new Map([
  [zip.ERR_EOCDR_NOT_FOUND, { code: 'archive_truncated', message: 'has no end record: it is cut off' }],
  [
    zip.ERR_BAD_FORMAT,
    { code: 'archive_truncated', message: 'has an end record that points outside it: it is cut off' },
  ],
  [
    zip.ERR_CENTRAL_DIRECTORY_NOT_FOUND,
    {
      code: 'archive_damaged',
      message: 'has no central directory where the end record says, or one with fewer entries',
    },
  ],
  [
    zip.ERR_LOCAL_FILE_HEADER_NOT_FOUND,
    { code: 'archive_damaged', message: 'is not where the central directory says' },
  ],
  [
    zip.ERR_ENTRY_DATA_OUT_OF_BOUNDS,
    { code: 'archive_damaged', message: 'is longer by the central directory than the archive' },
  ],
  [
    zip.ERR_OVERLAPPING_ENTRY,
    { code: 'archive_overlap', message: 'shares bytes of the archive with another entry' },
  ],
  [
    zip.ERR_ENCRYPTED_CENTRAL_DIRECTORY,
    { code: 'archive_encrypted', message: 'has an encrypted central directory' },
  ],
  [zip.ERR_SPLIT_ZIP_FILE, { code: 'archive_damaged', message: 'is one part of an archive that was split' }],
]);

/** The host's error for what zip.js refuses, about one entry or about the whole archive. */
export function archiveFault(error: unknown, file: string, entry?: string): GtpackError {
  const subject = entry === undefined ? 'The archive' : `The entry ${quoted(entry)}`;
  const text = errorMessage(error);
  const fault = FAULTS.get(text);
  if (fault !== undefined) return new GtpackError(fault.code, `${subject} ${fault.message}.`, { file });
  if (text === zip.ERR_AMBIGUOUS_ARCHIVE) {
    const reason = error instanceof Error && 'reason' in error ? String(error.reason) : 'no reason given';
    return new GtpackError(
      'archive_ambiguous',
      `${subject} would be read differently by other readers: ${reason}.`,
      {
        file,
        cure: 'Build the archive again with "gtpack pack build DIR".',
      },
    );
  }
  return new GtpackError('archive_damaged', `${subject} cannot be read: ${text}.`, { file });
}
