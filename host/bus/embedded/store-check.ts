import { once } from 'node:events';
import type { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { entryUrl } from '../../entry.ts';
import { GtpackError } from '../../errors.ts';
import { openForCheck, pragma } from './database.ts';
import { MIGRATIONS } from './schema.ts';
import type { StoreProblem } from './wire.ts';

/** What is in a store, and what is wrong with it. */
export interface StoreReport {
  /** Of the file; a host that knows more brings it up to date at its next start. */
  readonly schemaVersion: number;
  readonly knownVersion: number;
  /** Rows of each table; null where they could not be counted. */
  readonly counts: Readonly<Record<string, number | null>>;
  /** One sentence each, at most 100 of the database itself. Empty for a store that is sound. */
  readonly problems: readonly string[];
}

/** Thread → main side. */
export type CheckReply =
  | { readonly kind: 'checked'; readonly report: StoreReport }
  | { readonly kind: 'refused'; readonly problem: StoreProblem };

/**
 * Looks through a store that no host serves, page by page, in a thread of its own. Changes nothing.
 * @throws GtpackError `bus_locked`, `bus_schema_newer`, `bus_corrupt`, `bus_unwritable`
 */
export async function inspectStore(file: string): Promise<StoreReport> {
  const worker = new Worker(entryUrl('bus-check'), { workerData: file, execArgv: [], env: {} });
  try {
    const [reply] = (await once(worker, 'message')) as [CheckReply];
    if (reply.kind === 'checked') return reply.report;
    const { code, message, cure, file: place } = reply.problem;
    throw new GtpackError(code, message, { cure, file: place });
  } finally {
    await worker.terminate();
  }
}

/** The thread's side. */
export function checkStore(file: string): CheckReply {
  const opening = openForCheck(file);
  if (!opening.ok) return { kind: 'refused', problem: opening.problem };
  const { database } = opening;
  try {
    return { kind: 'checked', report: reportOf(database) };
  } finally {
    database.close();
  }
}

const MAX_PROBLEMS = 100;

function reportOf(database: DatabaseSync): StoreReport {
  const schemaVersion = pragma(database, 'user_version');
  const problems = damages(database);
  const tables = TABLES.filter(({ since }) => since <= schemaVersion);
  const counts: Record<string, number | null> = {};
  for (const { table } of tables) counts[table] = countOf(database, `SELECT count(*) AS total FROM ${table}`);
  for (const { since, sql, says } of INVARIANTS) {
    if (since > schemaVersion) continue;
    const total = countOf(database, sql);
    if (total === null) problems.push(`It could not be counted whether ${says}.`);
    else if (total > 0) problems.push(`${total} times: ${says}.`);
  }
  return { schemaVersion, knownVersion: MIGRATIONS.length, counts, problems };
}

/** What SQLite finds: damaged pages, indexes that differ from their tables, values of the wrong kind. */
function damages(database: DatabaseSync): string[] {
  try {
    return database
      .prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`)
      .all()
      .flatMap((row) => String(row.integrity_check).split('\n'))
      .filter((line) => line !== 'ok' && line !== '')
      .slice(0, MAX_PROBLEMS)
      .map((line) => `The database is damaged: ${line}.`);
  } catch (thrown) {
    return [`The database is damaged: ${thrown instanceof Error ? thrown.message : String(thrown)}.`];
  }
}

/** @returns null where a damaged page is in the way */
function countOf(database: DatabaseSync, sql: string): number | null {
  try {
    return database.prepare(sql).get()?.total as number;
  } catch {
    return null;
  }
}

const TABLES: readonly { readonly since: number; readonly table: string }[] = [
  { since: 1, table: 'events' },
  { since: 1, table: 'pending' },
  { since: 1, table: 'dead_letters' },
  { since: 1, table: 'runs' },
  { since: 1, table: 'journal' },
  { since: 2, table: 'state' },
  { since: 2, table: 'timers' },
  { since: 5, table: 'schedules' },
];

/** What must not be, and how to count it. `since` the schema's version that has it. */
const INVARIANTS: readonly { readonly since: number; readonly says: string; readonly sql: string }[] = [
  {
    since: 1,
    says: 'something waits whose event is not there, or is of another tenant',
    sql: `SELECT count(*) AS total FROM pending LEFT JOIN events USING (sequence)
      WHERE events.tenant IS NOT pending.tenant`,
  },
  {
    since: 1,
    says: 'an event waits twice',
    sql: 'SELECT count(*) AS total FROM (SELECT 1 FROM pending GROUP BY sequence HAVING count(*) > 1)',
  },
  {
    since: 1,
    says: 'an event waits and is a dead letter at once',
    sql: 'SELECT count(*) AS total FROM dead_letters JOIN pending USING (tenant, sequence)',
  },
  {
    since: 1,
    says: 'an event lies past the highest position that was ever given',
    sql: `SELECT count(*) AS total FROM events
      WHERE sequence > coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)`,
  },
  {
    since: 2,
    says: 'what a provider keeps is not counted as it is',
    sql: `SELECT count(*) AS total FROM
      (SELECT tenant, source, sum(keys) AS keys, sum(bytes) AS bytes, sum(timers) AS timers FROM
        (SELECT tenant, source, 1 AS keys, bytes, 0 AS timers FROM state
         UNION ALL SELECT tenant, source, 0, 0, 1 FROM timers
         UNION ALL SELECT tenant, source, -keys, -bytes, -timers FROM usage)
       GROUP BY tenant, source)
      WHERE keys <> 0 OR bytes <> 0 OR timers <> 0`,
  },
  {
    since: 3,
    says: 'a run of a dead letter is left whose letter is gone',
    sql: `SELECT count(*) AS total FROM dead_runs LEFT JOIN dead_letters USING (tenant, sequence)
      WHERE dead_letters.id IS NULL`,
  },
];
