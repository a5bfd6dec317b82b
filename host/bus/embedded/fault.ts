import type { StoreProblem } from './wire.ts';

/** SQLite's primary result codes that mean something to us (https://sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;
const IOERR_FSYNC = IOERR | (4 << 8);
const IOERR_DIR_FSYNC = IOERR | (5 << 8);

/** The extended result code of an error of `node:sqlite`, or undefined for any other error. */
function resultCode(thrown: unknown): number | undefined {
  return thrown instanceof Error && 'errcode' in thrown && typeof thrown.errcode === 'number'
    ? thrown.errcode
    : undefined;
}

function primaryCode(thrown: unknown): number | undefined {
  const code = resultCode(thrown);
  return code === undefined ? undefined : code & 0xff;
}

/** What went wrong with the disk or the file, as opposed to one operation's own content. */
export function isStorageFault(thrown: unknown): boolean {
  const code = primaryCode(thrown);
  return code !== undefined && [NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB].includes(code);
}

/**
 * Faults after which nothing more may be written: more writes would spread a corruption, and after a failed fsync the
 * kernel may report the next one as done although pages were lost.
 */
export function isFatalFault(thrown: unknown): boolean {
  const code = resultCode(thrown);
  const primary = primaryCode(thrown);
  return code === IOERR_FSYNC || code === IOERR_DIR_FSYNC || primary === CORRUPT || primary === NOTADB;
}

/** No space on the disk, or none under the bound on the file. */
export function isFull(thrown: unknown): boolean {
  return primaryCode(thrown) === FULL;
}

/** The named error for what was thrown while the store was opened. */
export function openProblem(thrown: unknown, file: string, holder: string | undefined): StoreProblem {
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  const system = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  const code = primaryCode(thrown);
  if (code === BUSY || code === LOCKED)
    return {
      code: 'bus_locked',
      file,
      message: `The bus file is in use by another host${holder === undefined ? '' : ` (last opened by pid ${holder})`}.`,
      cure: 'Stop the other host first, or give this one a bus file of its own.',
    };
  if (code === CORRUPT || code === NOTADB)
    return {
      code: 'bus_corrupt',
      file,
      message: `Expected the database of a bus; the file is damaged or something else (${detail}).`,
      cure: 'Restore the file from a backup, or move it away together with its -wal file to start with an empty bus.',
    };
  if (code === FULL || system === 'ENOSPC')
    return {
      code: 'bus_disk_full',
      file,
      message: `There is no space left for the bus (${detail}).`,
      cure: 'Free space on its disk, or raise the bound on the size of the file, and start again.',
    };
  return {
    code: 'bus_unwritable',
    file,
    message: `The bus file cannot be opened for writing (${detail}).`,
    cure: 'Give the user of this host the right to write the file and its folder, or choose another place.',
  };
}
