import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPack } from '../../host/pack/build.ts';

export const repository: string = fileURLToPath(new URL('../..', import.meta.url));

/** A temporary folder with the packs and bundles of one run of the bench. */
export class Workspace {
  readonly folder: string;
  readonly #tell: (line: string) => void;
  readonly #packs = new Map<string, Promise<string>>();
  #folders = 0;

  private constructor(folder: string, tell: (line: string) => void) {
    this.folder = folder;
    this.#tell = tell;
  }

  static async open(tell: (line: string) => void): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'gtpack-bench-')), tell);
  }

  /**
   * Builds a pack of the repository with the repository's own build, once a run.
   * @param source its folder, such as `packs/events-webhook`
   * @returns the path of the archive
   */
  pack(source: string): Promise<string> {
    const known = this.#packs.get(source);
    if (known !== undefined) return known;
    const file = join(this.folder, 'packs', `${source.replaceAll('/', '-')}.gtpack`);
    this.#tell(`building ${source}`);
    const built = buildPack(join(repository, source), { outFile: file }).then(() => file);
    this.#packs.set(source, built);
    return built;
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
    await writeFile(join(folder, 'bundle.yaml'), JSON.stringify(bundle, null, 2));
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
