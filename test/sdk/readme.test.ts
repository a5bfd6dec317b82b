import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { buildPack } from '../../host/pack/build.ts';
import { compileAssemblyScript } from '../../host/pack/compile-assemblyscript.ts';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { repositoryPath } from './guest.ts';

const CAPABILITIES = ['http', 'bus', 'timers', 'state', 'secrets', 'sendgrid', 'twilio'] as const;

// Each test compiles, which takes long where others do, too.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gtpack-readme-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The code blocks of a page in order. */
async function blocks(page: string, language: string): Promise<string[]> {
  const text = await readFile(repositoryPath(page), 'utf8');
  return [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].flatMap(([, name, code]) =>
    name === language ? [code ?? ''] : [],
  );
}

/** The first provider of a page, in a folder of its own, built as the page says. */
async function builtFirst(sdk: string, source: string): Promise<string[]> {
  const dir = await mkdtemp(join(folder, 'pack-'));
  const [code = ''] = await blocks(`sdk/${sdk}/README.md`, 'ts');
  const [pack = ''] = await blocks(`sdk/${sdk}/README.md`, 'yaml');
  await writeFile(join(dir, 'pack.yaml'), pack.replace('assembly/', ''));
  await writeFile(join(dir, source), code);
  const outFile = join(dir, 'a.gtpack');
  await buildPack(dir, { outFile });
  return (await readPack(outFile)).providers.map(({ id }) => id);
}

/** The examples of the host's functions, which are the body of an operation each. */
async function examples(sdk: string): Promise<string[]> {
  const found = (await blocks(`sdk/${sdk}/README.md`, 'ts')).filter(
    (code) => !/^(?:import|export|\/\/)/m.test(code),
  );
  for (const name of CAPABILITIES) {
    expect(
      found.filter((code) => new RegExp(`\\b${name}\\.`).test(code)),
      name,
    ).toHaveLength(1);
  }
  return found;
}

describe('the page of the SDK for AssemblyScript', () => {
  test('shows a whole provider that is built as it stands', async () => {
    expect(await builtFirst('assemblyscript', 'index.ts')).toEqual(['deliveries']);
  });

  test('has an example of each of the host’s functions, and they compile', async () => {
    const names =
      'bus, decimal, EventDraft, http, HttpRequest, log, ok, problem, secrets, sendgrid, SmsMessage, state, Timer, timers, twilio';
    const bodies = (await examples('assemblyscript')).map(
      (code, n) => `if (operation == "${n}") {\n${code}\n}\n`,
    );
    const text = `import { ${names} } from "gtpack";\nexport function invoke(operation: string, input: string): string {\n${bodies.join('')}return ok("null");\n}\n`;
    await writeFile(join(folder, 'examples.ts'), text);
    expect(await compileAssemblyScript(folder, 'examples.ts')).toBeInstanceOf(Uint8Array);
  });
});

describe('the page of the SDK for TypeScript', () => {
  test('shows a whole provider that is built as it stands', async () => {
    expect(await builtFirst('typescript', 'provider.ts')).toEqual(['deliveries']);
  });

  test('has an example of each of the host’s functions, and they compile', async () => {
    const names = 'bus, defineProvider, http, log, ProviderProblem, secrets, sendgrid, state, timers, twilio';
    const operations = (await examples('typescript')).map(
      (code, n) => `_${n}() {\n${code}\nreturn null;\n},\n`,
    );
    const text = `import { ${names} } from 'gtpack/sdk';\nexport const { invoke } = defineProvider({ invoke: {\n${operations.join('')}} });\n`;
    await writeFile(join(folder, 'examples.ts'), text);
    const wasm = await compileTypeScript(folder, 'examples.ts', {
      exports: ['invoke'],
      imports: CAPABILITIES,
    });
    expect(wasm.length).toBeGreaterThan(0);
  });
});
