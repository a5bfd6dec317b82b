import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { errorMessage, GtpackError } from '../../errors.ts';

const TURN_FILE = join('.gtpack', 'install.lock');

/**
 * Lets one process at a time change a bundle, or two that read it at once would each write without the other's change.
 * The kernel gives the turn back when its process dies: it is the lock of an empty SQLite file.
 */
export class InstallTurn {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /**
   * @param bundleDir the folder of the bundle
   * @throws GtpackError `bundle_unwritable`, also where another process has the turn
   */
  static async take(bundleDir: string): Promise<InstallTurn> {
    const file = join(bundleDir, TURN_FILE);
    let database: DatabaseSync | undefined;
    try {
      await mkdir(dirname(file), { recursive: true });
      database = new DatabaseSync(file, { timeout: 0 });
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      return new InstallTurn(database);
    } catch (error) {
      database?.close();
      const isTaken = /database is locked/.test(errorMessage(error));
      throw new GtpackError(
        'bundle_unwritable',
        isTaken
          ? 'Another gtpack is installing into this bundle.'
          : `The bundle cannot be written: ${errorMessage(error)}.`,
        {
          file,
          cure: isTaken ? 'Try again once it is done.' : 'Make the folder of the bundle writable.',
          cause: error,
        },
      );
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
