import { readFile } from 'node:fs/promises';
import { createBLAKE3 } from 'hash-wasm';
import { callPlugin } from '../../../host/deploy/call/call.ts';
import { NO_GRANTS } from '../../../host/grant/grants.ts';
import { buildPack } from '../../../host/pack/build.ts';
import { readPack } from '../../../host/pack/read-pack.ts';
import type { CallOptions } from '../../../host/running-host.ts';
import { answerCalls } from '../child.ts';

/**
 * `open`: reads a pack and verifies all of it. `hash`: reads the file and hashes it. `build`: makes the pack of components
 * that are compiled. `call`: a provider of another pack, in a cell of its own. `instantiate`: its WebAssembly, compiled and
 * instantiated with what it imports, and nothing else.
 */
export type PackWork = 'open' | 'hash' | 'build' | 'call' | 'instantiate';

export interface PackSetup {
  readonly work: PackWork;
  /** The pack, or for `build` the folder of its sources. */
  readonly path: string;
  readonly outFile: string;
}

const CALL: CallOptions = {
  log: () => undefined,
  provider: undefined,
  grants: NO_GRANTS,
  secrets: new Map(),
  state: new Map(),
  config: {},
  stubHttp: false,
};

let once: (() => Promise<void>) | undefined;

const handlers = {
  async start(setup: PackSetup): Promise<void> {
    once = await prepare(setup);
    await once();
  },

  /** @returns milliseconds each */
  async measure(seconds: number): Promise<number> {
    if (once === undefined) throw new Error('not started');
    const startedAt = performance.now();
    let count = 0;
    do {
      await once();
      count += 1;
    } while (performance.now() - startedAt < seconds * 1000);
    return (performance.now() - startedAt) / count;
  },
};

async function prepare({ work, path, outFile }: PackSetup): Promise<() => Promise<void>> {
  switch (work) {
    case 'open':
      return async () => {
        const { signer } = await readPack(path);
        if (signer === null) throw new Error('the pack of the bench is signed');
      };
    case 'hash':
      return async () => {
        const hasher = await createBLAKE3();
        hasher.update(await readFile(path));
        hasher.digest();
      };
    case 'build':
      return async () => void (await buildPack(path, { outFile }));
    case 'call':
      return async () => {
        const { answer } = await callPlugin(path, 'echo', '{"n":1}', CALL);
        if (answer.kind !== 'output') throw new Error(JSON.stringify(answer));
      };
    case 'instantiate': {
      const [provider] = (await readPack(path)).providers;
      const wasm = new Uint8Array(provider?.wasm ?? []);
      return async () => {
        const module = await WebAssembly.compile(wasm);
        const imports: Record<string, Record<string, () => number>> = {};
        for (const { module: from, name } of WebAssembly.Module.imports(module)) {
          imports[from] = { ...imports[from], [name]: () => 0 };
        }
        new WebAssembly.Instance(module, imports);
      };
    }
  }
}

export type PacksProcess = typeof handlers;

answerCalls(handlers, () => undefined);
