import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { GtpackError } from '../../errors.ts';
import { openProblem } from './fault.ts';
import { APPLICATION_ID, MIGRATIONS } from './schema.ts';
import type { StoreProblem, StoreSetup } from './wire.ts';

/**
 * Opening the file: created private to its user, locked by the kernel until the process dies, migrated forward.
 *
 * Never open the database file other than through SQLite: POSIX locks belong to the process, and closing any other
 * descriptor of the file would drop them all.
 */

/** Opened, or why not. */
export type Opening =
  | { readonly ok: true; readonly database: DatabaseSync }
  | { readonly ok: false; readonly problem: StoreProblem };

/** @param pid of this process; noted beside the file for the message of a host that comes second. */
export function openDatabase(setup: StoreSetup, pid: number): Opening {
  const { file } = setup;
  let database: DatabaseSync | undefined;
  try {
    createPrivately(file);
    database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: false });
    const refusal = lockAndCheck(database, file);
    if (refusal !== undefined) {
      database.close();
      return { ok: false, problem: refusal };
    }
    configure(database, setup);
    migrate(database);
    // What a dead host left in the log, and what a migration wrote.
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    writeFileSync(pidFile(file), `${pid}\n`, { mode: 0o600 });
    return { ok: true, database };
  } catch (thrown) {
    if (database?.isOpen === true) database.close();
    return { ok: false, problem: openProblem(thrown, file, readHolder(file)) };
  }
}

/** Locked and ours; not brought up to date, not set up for serving. The file must be there. */
export function openForCheck(file: string): Opening {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0, enableForeignKeyConstraints: false });
    const problem = lockAndCheck(database, file);
    if (problem === undefined) return { ok: true, database };
    database.close();
    return { ok: false, problem };
  } catch (thrown) {
    if (database?.isOpen === true) database.close();
    return { ok: false, problem: openProblem(thrown, file, readHolder(file)) };
  }
}

/** Folds the write-ahead log into the file and lets go of the lock. */
export function closeDatabase(database: DatabaseSync, file: string): void {
  rmSync(pidFile(file), { force: true });
  database.close();
}

const pidFile = (file: string): string => `${file}.pid`;

function readHolder(file: string): string | undefined {
  try {
    return /^\d{1,10}/.exec(readFileSync(pidFile(file), 'latin1'))?.[0];
  } catch {
    return undefined; // The holder is not one of ours, or has not got so far.
  }
}

/** SQLite gives its log files the mode of the database. */
function createPrivately(file: string): void {
  const firstMade = mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  if (firstMade !== undefined) syncFolder(dirname(firstMade));
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown;
  }
}

/** A new folder's name survives a power loss only once its parent is on the disk. SQLite does the same for its files. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Takes the lock, and refuses a file that is not ours before anything is written to it. */
function lockAndCheck(database: DatabaseSync, file: string): StoreProblem | undefined {
  // The first transaction makes the header of an empty file, with the kind of vacuum for good.
  if (statSync(file).size === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
  database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE');
  const version = pragma(database, 'user_version');
  const foreign =
    pragma(database, 'application_id') !== APPLICATION_ID &&
    database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
  database.exec('ROLLBACK');
  if (foreign)
    return {
      code: 'bus_corrupt',
      file,
      message: 'Expected the database of a bus; the file is a database of another program.',
      cure: 'Choose another place for the bus.',
    };
  if (version > MIGRATIONS.length)
    return {
      code: 'bus_schema_newer',
      file,
      message: `The bus was written by a newer host: its schema is version ${version}, this host knows up to ${MIGRATIONS.length}.`,
      cure: 'Start it with the newer host, or restore the backup from before the upgrade.',
    };
  return undefined;
}

function configure(database: DatabaseSync, setup: StoreSetup): void {
  // The log is moved into the file by `Checkpoint`.
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -32768;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
  `);
  const pages = Math.ceil(setup.maxFileBytes / pragma(database, 'page_size'));
  database.exec(`PRAGMA max_page_count = ${Math.min(pages, 0xfffffffe)}`);
}

function migrate(database: DatabaseSync): void {
  for (const [index, migration] of MIGRATIONS.entries()) {
    if (index < pragma(database, 'user_version')) continue;
    database.exec('BEGIN IMMEDIATE');
    database.exec(migration);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** A pragma that reads one number. */
export function pragma(database: DatabaseSync, name: string): number {
  const value = database.prepare(`PRAGMA ${name}`).get()?.[name];
  if (typeof value !== 'number')
    throw new GtpackError('bus_corrupt', `Expected a number of PRAGMA ${name}, got ${typeof value}.`);
  return value;
}
