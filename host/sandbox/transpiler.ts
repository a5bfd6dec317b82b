import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { entryUrl } from '../entry.ts';
import { GtpackError } from '../errors.ts';
import { lockedDownTranspiler } from './lockdown.ts';

/**
 * The functions of a component that suspend it, and the exports that may be suspended: all of them, if any function waits.
 * Names as jco takes them: `package/interface@version#function`. A component where nothing waits is bound without it.
 */
export interface ComponentWaits {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** What the transpiling process is sent. */
export interface TranspileRequest {
  readonly wasm: Uint8Array;
  readonly waits: ComponentWaits;
}

/** What the transpiling process answers. */
export type TranspileReply =
  | { readonly kind: 'ok'; readonly files: Readonly<Record<string, Uint8Array>> }
  | { readonly kind: 'failed'; readonly message: string };

/** A component made ready for cells: glue as JavaScript text, core modules by the names that the glue asks for. */
export interface TranspiledComponent {
  readonly glue: string;
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

export interface TranspilerOptions {
  /** Made if it does not exist. Holds one folder a component and transpiler version. */
  readonly cacheDir: string;
  /** Part of the cache's key: other glue comes from another version. */
  readonly version: string;
  readonly wallMs: number;
  readonly memoryBytes: number;
}

const GLUE = 'plugin.js';

/**
 * Transpiles components, each in a process of its own with a deadline and a bounded heap, and keeps the result under the
 * digest of the component. Glue never comes out of an archive.
 */
export class Transpiler {
  readonly #options: TranspilerOptions;

  constructor(options: TranspilerOptions) {
    this.#options = options;
  }

  /**
   * @param digest of the component's bytes, hex
   * @throws GtpackError `plugin_invalid`
   */
  async transpile(digest: string, wasm: Uint8Array, waits: ComponentWaits): Promise<TranspiledComponent> {
    const mode = waits.imports.length === 0 ? 'sync' : 'suspending';
    const folder = join(this.#options.cacheDir, `${digest}-jco${this.#options.version}-${mode}`);
    return (await readCached(folder)) ?? this.#make(folder, { wasm, waits });
  }

  async #make(folder: string, request: TranspileRequest): Promise<TranspiledComponent> {
    const reply = await this.#run(request);
    if (reply.kind === 'failed') {
      throw new GtpackError(
        'plugin_invalid',
        `The component cannot be transpiled: ${reply.message.slice(0, 500)}`,
      );
    }
    // Written beside and moved, so that a reader finds a whole folder or none.
    const draft = `${folder}.${randomUUID()}`;
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    for (const [path, bytes] of Object.entries(reply.files)) {
      if (isNeeded(path)) await writeFile(join(draft, basename(path)), bytes);
    }
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
    const made = await readCached(folder);
    if (made === undefined)
      throw new GtpackError('plugin_invalid', 'The transpiler made no glue for the component.');
    return made;
  }

  #run(request: TranspileRequest): Promise<TranspileReply> {
    const { wallMs, memoryBytes } = this.#options;
    return new Promise((resolve, reject) => {
      const child = fork(entryUrl('transpile'), [], lockedDownTranspiler(memoryBytes));
      const deadline = setTimeout(() => child.kill('SIGKILL'), wallMs);
      child.once('message', resolve);
      child.once('error', (cause) =>
        reject(new GtpackError('plugin_invalid', 'The transpiling process did not start.', { cause })),
      );
      child.once('exit', () => {
        clearTimeout(deadline);
        reject(
          new GtpackError(
            'plugin_invalid',
            `Transpiling the component took more than ${wallMs} ms or ${memoryBytes} bytes.`,
          ),
        );
      });
      child.send(request, () => undefined);
    });
  }
}

function isNeeded(path: string): boolean {
  return path.endsWith('.js') || path.endsWith('.wasm');
}

async function readCached(folder: string): Promise<TranspiledComponent | undefined> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return undefined;
  }
  if (!names.includes(GLUE)) return undefined;
  const modules = new Map<string, Uint8Array>();
  for (const name of names) {
    if (name.endsWith('.wasm')) modules.set(name, await readFile(join(folder, name)));
  }
  return { glue: await readFile(join(folder, GLUE), 'utf8'), modules };
}
