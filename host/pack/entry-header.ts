import type { Entry } from '@zip.js/zip.js';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { PathRegister } from './entry-path.ts';

/** What an archive says of an entry before any of its content is read. */

export const STORED = 0;
const DEFLATED = 8;
const UNIX_TYPE = 0o170000;
const UNIX_FILE = 0o100000;
const UNIX_FOLDER = 0o040000;
/** Volume label, device, and reparse point, which is what links are on Windows. */
const DOS_SPECIAL = 0x08 | 0x40 | 0x400;
/** Extra field with a name in UTF-8. */
const UNICODE_PATH = 0x7075;

/** Everything that the central directory says of an entry, before any of its bytes are read. */
export function checkEntry(entry: Entry, file: string, paths: PathRegister): void {
  const name = decodeName(entry, file);
  if (entry.directory && name.endsWith('/')) paths.addFolder(name.slice(0, -1));
  else paths.add(name);
  if (entry.encrypted) {
    throw new GtpackError('archive_encrypted', `The entry ${quoted(name)} is encrypted.`, {
      file,
      cure: 'Build the archive without a password.',
    });
  }
  // The upper half of the attributes is a Unix mode whatever system the entry claims to come from: readers differ.
  const types = [entry.externalFileAttributes >>> 16, entry.unixMode ?? 0].map((mode) => mode & UNIX_TYPE);
  if (
    (entry.externalFileAttributes & DOS_SPECIAL) !== 0 ||
    types.some((type) => type !== 0 && type !== UNIX_FILE && type !== UNIX_FOLDER)
  ) {
    throw new GtpackError(
      'archive_link_refused',
      `The entry ${quoted(name)} is a link or a device, not a file.`,
      { file, cure: 'Put the file itself into the archive.' },
    );
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw new GtpackError(
      'archive_compression_unknown',
      `The entry ${quoted(name)} is compressed by method ${entry.compressionMethod}; stored (0) and deflated (8) are read.`,
      { file },
    );
  }
  if (
    entry.directory &&
    (!name.endsWith('/') || entry.compressedSize !== 0 || entry.uncompressedSize !== 0)
  ) {
    throw new GtpackError('archive_ambiguous', `The entry ${quoted(name)} is a folder and a file at once.`, {
      file,
    });
  }
}

/** The name as its bytes say it. */
function decodeName(entry: Entry, file: string): string {
  let name: string | undefined;
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(entry.rawFilename);
  } catch {
    name = undefined;
  }
  // Without the flag other readers take the bytes for code page 437.
  const isAscii = entry.rawFilename.every((byte) => byte < 0x80);
  if (name === undefined || !(isAscii || entry.bitFlag?.languageEncodingFlag)) {
    throw new GtpackError(
      'archive_path_refused',
      `The name ${quoted(Buffer.from(entry.rawFilename).toString('latin1'))} is not marked and encoded as UTF-8.`,
      { file, cure: 'Build the archive with UTF-8 names.' },
    );
  }
  refuseSecondName(entry, name, file);
  return name;
}

/** Readers disagree on whether the Unicode Path field, in either header, goes before the name itself. */
export function refuseSecondName(
  part: { readonly extraField?: ReadonlyMap<number, unknown> },
  name: string,
  file: string,
): void {
  if (part.extraField?.has(UNICODE_PATH) !== true) return;
  throw new GtpackError(
    'archive_ambiguous',
    `The entry ${quoted(name)} has a second name in an extra field.`,
    { file },
  );
}
