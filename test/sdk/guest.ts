import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ASUtil, instantiateSync } from '@assemblyscript/loader';
import type { PluginExport } from '../../host/contract.ts';
import { compileAssemblyScript } from '../../host/pack/compile-assemblyscript.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = join(root, 'node_modules/.cache/gtpack-guests');

/** What decides the bytes besides a guest's own folder. */
const TOOLCHAIN = [
  'sdk',
  'host/pack/compile-assemblyscript.ts',
  'host/pack/compile-typescript.ts',
  'package-lock.json',
];

/** A folder of the repository. */
export function repositoryPath(path: string): string {
  return join(root, path);
}

/** The guest in `folder`, compiled; kept under the digest of all that it is made from. */
export async function cachedBuild(folder: string, build: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const digest = createHash('sha256');
  for (const path of [folder, ...TOOLCHAIN]) await digestPath(digest, path);
  const file = join(cache, `${digest.digest('hex')}.wasm`);
  try {
    return await readFile(file);
  } catch {
    const bytes = await build();
    await mkdir(cache, { recursive: true });
    // Moved into place, so that another test file finds it whole or not at all.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, bytes);
    await rename(draft, file);
    return bytes;
  }
}

async function digestPath(digest: ReturnType<typeof createHash>, path: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(join(root, path));
  } catch {
    digest.update(`${path}\0`).update(await readFile(join(root, path)));
    return;
  }
  for (const name of names.sort()) await digestPath(digest, `${path}/${name}`);
}

export function buildAssemblyScript(folder: string): Promise<Uint8Array> {
  return cachedBuild(folder, () => compileAssemblyScript(repositoryPath(folder), 'assembly/index.ts'));
}

interface GuestExports extends Record<string, unknown> {
  readonly memory: WebAssembly.Memory;
  readonly ingest: (request: number) => number;
  readonly tick: (tick: number) => number;
  readonly handle: (event: number) => number;
  readonly invoke: (operation: number, input: number) => number;
}

/** Functions of the host by the name of their interface, such as `http`. They answer with an envelope. */
export type HostFunctions = Readonly<
  Record<string, Readonly<Record<string, (...texts: string[]) => string>>>
>;

/** An AssemblyScript guest under its public ABI, without a host. */
export class Guest {
  readonly logged: string[] = [];
  readonly #guest: ASUtil & GuestExports;

  constructor(wasm: Uint8Array<ArrayBuffer>, config = 'null', host: HostFunctions = {}) {
    const { exports } = instantiateSync<GuestExports>(wasm, {
      ...Object.fromEntries(
        Object.entries(host).map(([name, functions]) => [
          `gtpack:plugin/${name}@0.1.0`,
          Object.fromEntries(Object.entries(functions).map(([fn, answer]) => [fn, this.#given(answer)])),
        ]),
      ),
      'gtpack:plugin/config@0.1.0': { get: (): number => this.#guest.__newString(config) },
      'gtpack:plugin/log@0.1.0': {
        write: (level: number, message: number): void => {
          this.logged.push(`${this.#guest.__getString(level)}: ${this.#guest.__getString(message)}`);
        },
      },
    });
    this.#guest = exports;
  }

  static async of(folder: string, config?: string, host?: HostFunctions): Promise<Guest> {
    return new Guest(new Uint8Array(await buildAssemblyScript(folder)), config, host);
  }

  call(name: PluginExport, ...texts: readonly string[]): string {
    const guest = this.#guest;
    const [first = 0, second = 0] = texts.map((text) => guest.__pin(guest.__newString(text)));
    const answer = guest.__getString(guest[name](first, second));
    for (const pointer of [first, second]) if (pointer !== 0) guest.__unpin(pointer);
    guest.__collect();
    return answer;
  }

  /** What the host answers is held by nothing until the guest's next instruction. */
  #given(answer: (...texts: string[]) => string): (...pointers: number[]) => number {
    return (...pointers) => {
      const guest = this.#guest;
      return guest.__newString(answer(...pointers.map((pointer) => guest.__getString(pointer))));
    };
  }

  get memoryBytes(): number {
    return this.#guest.memory.buffer.byteLength;
  }
}
