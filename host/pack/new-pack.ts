import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { errorMessage, GtpackError } from '../errors.ts';
import { sdkFolder } from './sdk-folder.ts';

export const LANGUAGES = ['assemblyscript', 'typescript'] as const;
export type Language = (typeof LANGUAGES)[number];

/** A token of the contract, short enough for a flow's name to have something behind it. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,39}$/;

export interface NewPack {
  /** Absolute path of its folder. */
  readonly dir: string;
  readonly name: string;
  /** Paths in the folder, in order. */
  readonly files: readonly string[];
}

/**
 * Makes the source of a pack that builds and answers, named after its folder.
 * @param dir is not there yet, or empty
 * @throws GtpackError `option_invalid` for a folder whose name is no name or that holds something, `pack_unwritable`
 */
export async function newPack(dir: string, language: Language): Promise<NewPack> {
  const root = resolve(dir);
  const name = basename(root);
  if (!NAME.test(name)) {
    throw new GtpackError(
      'option_invalid',
      `The pack is named after its folder, and ${JSON.stringify(name)} is no name.`,
      { cure: 'Name the folder with a-z, 0-9, "_" and "-", at most 40 of them, such as order-events.' },
    );
  }
  const files = await templateFiles(language);
  try {
    await mkdir(root, { recursive: true });
    if ((await readdir(root)).length > 0) {
      throw new GtpackError('option_invalid', 'The folder holds something already.', {
        file: root,
        cure: 'Name one that is not there yet.',
      });
    }
    for (const [path, text] of files) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), named(text, name), { flag: 'wx' });
    }
  } catch (error) {
    if (error instanceof GtpackError) throw error;
    throw new GtpackError('pack_unwritable', `The pack cannot be written: ${errorMessage(error)}.`, {
      file: root,
      cure: 'Choose a folder that you may write to.',
      cause: error,
    });
  }
  return { dir: root, name, files: [...files.keys()] };
}

function named(text: string, name: string): string {
  return text.replaceAll('__FLOW__', name.replaceAll('-', '_')).replaceAll('__NAME__', name);
}

/** What all languages share, and what is the language's own, by path. */
async function templateFiles(language: Language): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const part of ['common', language]) {
    const folder = join(sdkFolder, 'templates', part);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(folder.length + 1), await readFile(path, 'utf8'));
    }
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}
