import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PackName, packFile } from '../system/packs.ts';

export const repository: string = fileURLToPath(new URL('../..', import.meta.url));

/** A temporary folder with the packs and bundles of one run of the bench. */
export class Workspace {
  readonly folder: string;
  #folders = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'gtpack-bench-')));
  }

  /** Path of a pack of the repository, built unless the same sources were built before. */
  pack(name: PackName): Promise<string> {
    return packFile(name);
  }

  /** Where components are kept once they are transpiled. */
  get transpiled(): string {
    return join(this.folder, 'transpiled');
  }

  /** A folder of its own. */
  async newFolder(): Promise<string> {
    this.#folders += 1;
    const folder = join(this.folder, String(this.#folders));
    await mkdir(folder);
    return folder;
  }

  /**
   * Writes a bundle that listens at a free port of loopback.
   * @param tenants as JSON, which is YAML
   * @param more keys of the bundle
   * @returns its folder
   */
  async bundle(
    tenants: Readonly<Record<string, BundleTenant>>,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const folder = await this.newFolder();
    const bundle = { env: 'dev', http: { listen: '127.0.0.1:0' }, ...more, tenants };
    await writeFile(join(folder, 'bundle.yaml'), JSON.stringify(bundle));
    return folder;
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface BundleTenant {
  readonly providers: Readonly<Record<string, { readonly pack: string; readonly signatures?: object }>>;
  readonly secrets?: Readonly<Record<string, string>>;
  readonly flows?: readonly string[];
  readonly grants?: Readonly<Record<string, unknown>>;
  readonly limits?: Readonly<Record<string, unknown>>;
}
