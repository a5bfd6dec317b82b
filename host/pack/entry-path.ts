import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';

/**
 * Paths inside an archive: relative, with `/` between segments, and meaning one file on every file system.
 * What another reader might resolve elsewhere, or take for another entry, is refused.
 */

const MAX_PATH_BYTES = 1024;
const CONTROL = /\p{Cc}/u;
const DRIVE = /^[A-Za-z]:/;
/** Some file systems compare names without them; and they hide, or turn around, what people read. */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}]/u;
/** Dots, slashes and NULs for a reader that decodes, and for one that decodes twice. */
const ENCODED = /%(?:25)*(?:2e|2f|5c|00)/i;
/** Characters that become a slash, a backslash or dots where names are brought into another character set. */
const LOOKALIKE = /[\u2024\u2025\u2044\u2215\u2216\u29f5\u29f8\u29f9\ufe52\ufe68\uff0e\uff0f\uff3c]/;
/** Windows opens the device, whatever the extension and the folder. */
const DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/i;

/** Why a path is refused, as the end of a sentence, or undefined if it is sound. */
export function pathFault(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (path.includes('\0')) return 'contains a NUL character';
  if (CONTROL.test(path)) return 'contains a control character';
  if (INVISIBLE.test(path)) return 'contains an invisible character';
  if (path.includes('\\')) return 'contains a backslash';
  if (path.startsWith('/')) return 'is absolute';
  if (DRIVE.test(path)) return 'starts with a drive letter';
  if (ENCODED.test(path)) return 'contains a dot, a slash, a backslash or a NUL that is encoded for URLs';
  if (LOOKALIKE.test(path)) return 'contains a character that looks like a dot, a slash or a backslash';
  for (const segment of path.split('/')) {
    if (segment === '') return 'has an empty segment';
    if (segment === '.' || segment === '..') return `has the segment ${quoted(segment)}`;
    // Windows drops both, so that two paths would be one file there.
    if (segment.endsWith('.') || segment.endsWith(' '))
      return `has the segment ${quoted(segment)}, which ends in a dot or a space`;
    if (segment.includes(':')) return `has the segment ${quoted(segment)}, which contains a colon`;
    if (DEVICE.test(segment)) return `has the segment ${quoted(segment)}, which is a device on Windows`;
  }
  return undefined;
}

/** The paths of one archive, each taken once; folders come with what lies in them. */
export class PathRegister {
  readonly #file: string;
  /** Case-folded, NFC path of each file and folder, with its spelling. */
  readonly #files = new Map<string, string>();
  readonly #folders = new Map<string, string>();

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws GtpackError `archive_path_refused`, `archive_path_conflict` */
  add(path: string): void {
    const key = this.#check(path);
    const inside = this.#folders.get(key);
    if (inside !== undefined) throw this.#inFile(path, inside);
    this.#addFolders(key.slice(0, Math.max(0, key.lastIndexOf('/'))), path);
    this.#files.set(key, path);
  }

  /** A folder's own entry, without the slash at its end. @throws as `add` does */
  addFolder(path: string): void {
    this.#addFolders(this.#check(path), path);
  }

  /** @returns the path as file systems compare it, if no file has it */
  #check(path: string): string {
    const fault = pathFault(path);
    if (fault !== undefined) {
      throw new GtpackError('archive_path_refused', `The entry ${quoted(path)} ${fault}.`, {
        file: this.#file,
        cure: 'Use relative paths made of plain names with "/" between them.',
      });
    }
    const key = foldPath(path);
    const taken = this.#files.get(key);
    if (taken !== undefined) {
      throw this.#conflict(
        taken === path
          ? `The entry ${quoted(path)} is there twice.`
          : `The entries ${quoted(taken)} and ${quoted(path)} are the same file where upper and lower case are not told apart.`,
      );
    }
    return key;
  }

  /** Takes the folder of that key, and those it lies in, for `path`. */
  #addFolders(key: string, path: string): void {
    for (let folder = key; folder !== '' && !this.#folders.has(folder); ) {
      const file = this.#files.get(folder);
      if (file !== undefined) throw this.#inFile(file, path);
      this.#folders.set(folder, path);
      folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')));
    }
  }

  #inFile(file: string, inner: string): GtpackError {
    return this.#conflict(
      `The entry ${quoted(file)} is a file, and ${quoted(inner)} lies in a folder of that name.`,
    );
  }

  #conflict(message: string): GtpackError {
    return new GtpackError('archive_path_conflict', message, {
      file: this.#file,
      cure: 'Build the archive again with one entry for each path.',
    });
  }
}

/** Upper case first: it folds more pairs (ß and SS, ſ and S) than lower case alone. */
function foldPath(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}
