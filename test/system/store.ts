import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What a stopped host left on its bus. */
export interface Stored {
  /** Ids of the events, with their tenants: `demo 01a2…`. */
  readonly events: readonly string[];
  /** How many results each of these has. */
  readonly results: ReadonlyMap<string, number>;
  readonly deadLetters: readonly string[];
  /** Events that are not settled. */
  readonly pending: number;
}

/** Reads the file of the bus. Throws where a host still holds it. */
export function stored(folder: string): Stored {
  const database = new DatabaseSync(join(folder, '.gtpack', 'bus.sqlite'), { timeout: 0 });
  try {
    const keys = (sql: string): string[] =>
      database
        .prepare(sql)
        .all()
        .map((row) => String(row.key));
    const results = new Map<string, number>();
    for (const key of keys("SELECT tenant || ' ' || event_id AS key FROM runs")) {
      results.set(key, (results.get(key) ?? 0) + 1);
    }
    return {
      events: keys("SELECT tenant || ' ' || id AS key FROM events ORDER BY sequence"),
      results,
      deadLetters: keys("SELECT tenant || ' ' || id AS key FROM dead_letters"),
      pending: Number(database.prepare('SELECT count(*) AS total FROM pending').get()?.total),
    };
  } finally {
    database.close();
  }
}
