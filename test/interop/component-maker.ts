import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { componentEmbed, componentNew, parse } from '@bytecodealliance/jco-transpile/wasm-tools';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';

/** Components of any WIT, made by the tests themselves: nobody else's bytes. Kept under the digest of what they are made from. */

const cache = fileURLToPath(new URL('../../node_modules/.cache/gtpack-components/', import.meta.url));

/** WIT packages by folder name; the world is `world.wit`. */
export interface ComponentSource {
  /** Of the package `test:built`, with its world `built`. */
  readonly world: string;
  /** Texts of the packages that it names. */
  readonly packages: readonly string[];
  /** A JavaScript module. */
  readonly script: string;
}

/** Through jco's QuickJS backend, in a process of its own. */
export async function scriptComponent(source: ComponentSource): Promise<Uint8Array> {
  return cached(JSON.stringify([jcoVersion, source]), async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gtpack-component-'));
    try {
      await writeFile(join(folder, 'source.js'), source.script);
      const wit = join(folder, 'wit');
      await mkdir(join(wit, 'deps'), { recursive: true });
      await writeFile(join(wit, 'world.wit'), `package test:built@0.1.0;\n${source.world}\n`);
      for (const [index, text] of source.packages.entries()) {
        await mkdir(join(wit, 'deps', `p${index}`));
        await writeFile(join(wit, 'deps', `p${index}`, 'package.wit'), text);
      }
      const out = join(folder, 'out.wasm');
      await promisify(execFile)(process.execPath, componentize(folder, wit, out), { cwd: folder });
      return await readFile(out);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** jco's WIT parser is itself a component, and its file system starts out empty: it is shown the one folder. */
function componentize(folder: string, wit: string, out: string): string[] {
  const jco = import.meta.resolve('@bytecodealliance/jco');
  const parser = createRequire(jco).resolve('@bytecodealliance/jco-transpile');
  const fileSystem = createRequire(parser).resolve('@bytecodealliance/preview2-shim/filesystem');
  const url = JSON.stringify(pathToFileURL(fileSystem).href);
  const preload = `import { _addPreopen } from ${url}; _addPreopen(${JSON.stringify(wit)}, ${JSON.stringify(wit)});`;
  return [
    ...['--import', `data:text/javascript,${encodeURIComponent(preload)}`],
    fileURLToPath(new URL('./jco.js', jco)),
    ...['componentize', join(folder, 'source.js'), '--wit', wit, '--world-name', 'built', '--out', out],
    ...['--backend', 'quickjs', '--backend-qjs-disable-async', '--backend-qjs-stub-wasi'],
  ];
}

/** Of a core module in WebAssembly text: for what no toolchain would make. @param wit all packages, the world `built` last */
export async function textComponent(wit: string, wat: string): Promise<Uint8Array> {
  return cached(JSON.stringify([jcoVersion, wit, wat]), async () => {
    const core = await parse(wat);
    return componentNew(
      await componentEmbed({ binary: core, witSource: wit, world: 'built', stringEncoding: 'utf8' }),
    );
  });
}

async function cached(key: string, make: () => Promise<Uint8Array>): Promise<Uint8Array> {
  const file = join(cache, `${createHash('sha256').update(key).digest('hex')}.wasm`);
  try {
    return await readFile(file);
  } catch {
    const bytes = await make();
    await mkdir(cache, { recursive: true });
    // Moved into place, so that another test file finds it whole or not at all.
    const draft = `${file}.${process.pid}`;
    await writeFile(draft, bytes);
    await rename(draft, file);
    return bytes;
  }
}
