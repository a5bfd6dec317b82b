import { createHash, type Hash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hostFolder } from '../entry.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { sdkFolder } from '../pack/sdk-folder.ts';

/** Beside what a build leaves in the pack's own folder, which no repository keeps. */
const STAMP_FILE = join('build', '.gtpack-build');
/** What a build makes, or what is not a source. */
const LEFT_OUT: ReadonlySet<string> = new Set(['build', 'node_modules']);

/**
 * Says whether a pack has to be built again: whether its folder, the SDK, the builder or the built file differ from
 * what they were after the last build. A source outside the pack's folder is not seen.
 */
export class BuildStamp {
  readonly #file: string;
  readonly #outFile: string;
  readonly #inputs: string;

  private constructor(file: string, outFile: string, inputs: string) {
    this.#file = file;
    this.#outFile = outFile;
    this.#inputs = inputs;
  }

  /**
   * @param builder from `builderDigest`, once for all packs
   * @throws GtpackError `file_unreadable`
   */
  static async of(dir: string, outFile: string, builder: string): Promise<BuildStamp> {
    const hash = createHash('sha256');
    hash.update(`${builder}\n${outFile}\n`);
    try {
      await addFolder(hash, dir, '');
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw new GtpackError(
        'file_unreadable',
        missing ? 'There is no folder here.' : `The folder cannot be read: ${errorMessage(error)}.`,
        { file: dir, cure: 'Name a folder with a pack.yaml.', cause: error },
      );
    }
    return new BuildStamp(join(dir, STAMP_FILE), outFile, hash.digest('hex'));
  }

  async matches(): Promise<boolean> {
    const written = await readFile(this.#file, 'utf8').catch(() => undefined);
    if (written === undefined) return false;
    const output = await this.#outputDigest();
    return output !== undefined && written === this.#text(output);
  }

  /** After a build that was made from what the stamp has seen. @throws GtpackError `pack_unwritable` */
  async write(): Promise<void> {
    const output = await this.#outputDigest();
    if (output === undefined) return;
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      const partial = `${this.#file}.partial`;
      await writeFile(partial, this.#text(output));
      await rename(partial, this.#file);
    } catch (error) {
      throw new GtpackError(
        'pack_unwritable',
        `The build's stamp cannot be written: ${errorMessage(error)}.`,
        {
          file: this.#file,
          cause: error,
        },
      );
    }
  }

  #text(output: string): string {
    return `${JSON.stringify({ inputs: this.#inputs, output })}\n`;
  }

  async #outputDigest(): Promise<string | undefined> {
    const bytes = await readFile(this.#outFile).catch(() => undefined);
    return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex');
  }
}

/** Of all that turns sources into a pack: the SDK, the code that builds, and the versions of the compilers. */
export async function builderDigest(): Promise<string> {
  const hash = createHash('sha256');
  // Names the release, and pins the compilers.
  hash.update(await readFile(join(dirname(sdkFolder), 'package.json')));
  await addFolder(hash, sdkFolder, 'sdk');
  await addFolder(hash, join(hostFolder, 'pack'), 'pack');
  return hash.digest('hex');
}

/** Every file below the folder with its path, in an order that does not depend on the file system. */
async function addFolder(hash: Hash, folder: string, prefix: string): Promise<void> {
  const items = await readdir(folder, { withFileTypes: true });
  items.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const item of items) {
    if (LEFT_OUT.has(item.name)) continue;
    const path = join(folder, item.name);
    const name = `${prefix}/${item.name}`;
    if (item.isDirectory()) {
      await addFolder(hash, path, name);
    } else {
      const bytes = item.isSymbolicLink() ? Buffer.from(await readlink(path)) : await readFile(path);
      // The length keeps one file's end apart from the next one's name.
      hash.update(`${JSON.stringify(name)} ${bytes.length}\n`);
      hash.update(bytes);
    }
  }
}
