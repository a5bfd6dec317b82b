import { randomBytes } from 'node:crypto';
import { chmod, open, readFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Document, isAlias, isMap, parseDocument } from 'yaml';
import type { Bundle } from '../../bundle/bundle.ts';
import { loadBundle } from '../../bundle/load.ts';
import { errorMessage, GtpackError } from '../../errors.ts';
import type { Json, JsonObject } from '../../event/json.ts';

const DEFAULT_TENANT = 'default';

/** What installing writes to one provider of a bundle. */
export interface ProviderEdit {
  readonly tenant: string;
  readonly id: string;
  /** Relative to the bundle's folder. */
  readonly pack: string;
  /** Added to the grants that stand there, or put in their place, by capability. */
  readonly grants: Readonly<Record<string, Json>>;
  readonly allowUnsigned: boolean;
}

/** A bundle file as its operator wrote it, comments included, about to be changed. */
export class BundleDocument {
  readonly #file: string;
  readonly #document: Document;

  private constructor(file: string, document: Document) {
    this.#file = file;
    this.#document = document;
  }

  /** @param file of a bundle that was loaded before, or that is not there yet */
  static async open(file: string): Promise<BundleDocument> {
    let text = '';
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
        throw new GtpackError('file_unreadable', `The bundle cannot be read: ${errorMessage(error)}.`, {
          file,
          cause: error,
        });
      }
    }
    return new BundleDocument(file, parseDocument(text));
  }

  /** Keys that are there keep their place and their comments. */
  setProvider({ tenant, id, pack, grants, allowUnsigned }: ProviderEdit): void {
    const document = this.#document;
    const path = [...this.#prefixOf(tenant), 'providers', id];
    for (let depth = 1; depth <= path.length; depth += 1) this.#own(path.slice(0, depth));
    if (!isMap(document.getIn(path))) document.setIn(path, document.createNode({}));
    this.#own([...path, 'grants']);
    document.setIn([...path, 'pack'], pack);
    if (allowUnsigned) document.setIn([...path, 'allow_unsigned'], true);
    for (const [capability, grant] of Object.entries(grants)) {
      document.setIn([...path, 'grants', capability], document.createNode(grant, { flow: true }));
    }
  }

  /**
   * Has a secret come from the environment variable of its name, unless the tenant says already where it comes from.
   * @returns whether it was added
   */
  declareSecret(tenant: string, name: string): boolean {
    const path = [...this.#prefixOf(tenant), 'secrets'];
    for (let depth = 1; depth <= path.length; depth += 1) this.#own(path.slice(0, depth));
    if (!isMap(this.#document.getIn(path))) this.#document.setIn(path, this.#document.createNode({}));
    if (this.#document.hasIn([...path, name])) return false;
    this.#document.setIn([...path, name], `env:${name}`);
    return true;
  }

  /** Puts a copy in place of an alias: what it stands for belongs to others, too. */
  #own(path: readonly string[]): void {
    const document = this.#document;
    const node = document.getIn(path, true);
    if (isAlias(node)) document.setIn(path, document.createNode(node.toJS(document)));
  }

  /** @param fingerprint BLAKE3, hex */
  trust(fingerprint: string): void {
    const written = `blake3:${fingerprint}`;
    this.#own(['trust']);
    const { trust } = (this.#document.toJS() ?? {}) as JsonObject;
    if (Array.isArray(trust)) {
      if (!trust.includes(written)) this.#document.addIn(['trust'], written);
    } else {
      this.#document.setIn(['trust'], this.#document.createNode([written]));
    }
  }

  /**
   * Puts the changed bundle in place of the file in one step, once `check` has taken it.
   * @param check is given the changed bundle; what it throws leaves everything as it was
   * @throws GtpackError as `loadBundle`, `bundle_unwritable`
   */
  async replace(check: (bundle: Bundle) => Promise<void>): Promise<void> {
    const text = this.#document.toString({ lineWidth: 0 });
    // In the same folder, since paths in it are relative.
    const draft = draftOf(this.#file);
    let beside = draft;
    try {
      await writeDurably(draft, text);
      await check(await loadBundle(draft));
      // What a link points to is replaced, not the link; and who may read it stays as it is.
      const place = await realpath(this.#file).catch(() => this.#file);
      const mode = (await stat(place).catch(() => undefined))?.mode;
      if (dirname(place) !== dirname(draft)) {
        beside = draftOf(place);
        await writeDurably(beside, text);
      }
      if (mode !== undefined) await chmod(beside, mode & 0o777);
      await rename(beside, place);
    } catch (error) {
      if (error instanceof GtpackError) throw error;
      throw new GtpackError('bundle_unwritable', `The bundle cannot be written: ${errorMessage(error)}.`, {
        file: this.#file,
        cure: 'Make the folder of the bundle writable.',
        cause: error,
      });
    } finally {
      await rm(draft, { force: true });
      await rm(beside, { force: true });
    }
  }

  /** The default tenant stands at the top, unless the file has it among the others. */
  #prefixOf(tenant: string): string[] {
    const named = ['tenants', tenant];
    return tenant !== DEFAULT_TENANT || this.#document.hasIn(named) ? named : [];
  }
}

function draftOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** A crash after the file was moved into its place must not leave an empty one there. */
async function writeDurably(file: string, text: string): Promise<void> {
  await using handle = await open(file, 'wx');
  await handle.writeFile(text);
  await handle.sync();
}
