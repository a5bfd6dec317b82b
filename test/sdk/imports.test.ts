import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PluginImport } from '../../host/contract.ts';
import { compileAssemblyScript } from '../../host/pack/compile-assemblyscript.ts';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import { pluginInterface } from '../../host/pack/plugin-interface.ts';
import { readWasmInterface } from '../../host/pack/wasm-interface.ts';

// Each test compiles, which takes long where others do, too.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gtpack-imports-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function source(name: string, text: string): Promise<string> {
  const dir = join(folder, name);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'index.ts'), text);
  return dir;
}

function importsOf(wasm: Uint8Array): { imports: readonly string[]; foreign: readonly string[] } {
  const { imports, foreign } = pluginInterface(readWasmInterface(wasm, 'provider.wasm'));
  return { imports, foreign };
}

const ASSEMBLYSCRIPT: Readonly<Record<Exclude<PluginImport, 'log'>, string>> = {
  http: 'const given = http.send(new HttpRequest(input).json("1").bytes(new Uint8Array(1))); return ok(quote(given.value.body));',
  bus: 'return ok(quote(bus.publish([new EventDraft(input)]).value[0]));',
  timers:
    'timers.clear("a"); return ok(timers.set(Timer.at("a", 1, new EventDraft(input))).isOk ? "1" : "0");',
  state:
    'state.set("a", input); state.setText("a", "b"); state.remove("a"); return ok(state.get("a").value);',
  secrets: 'return ok(quote(secrets.get("A").value));',
  sendgrid: 'return ok(sendgrid.send(input).isOk ? "1" : "0");',
  twilio: 'return ok(quote(twilio.send(new SmsMessage("a", "b")).value.sid));',
  config: 'return ok(configJson());',
};
const NAMES =
  'bus, configJson, EventDraft, http, HttpRequest, ok, quote, secrets, sendgrid, SmsMessage, state, Timer, timers, twilio';

async function assemblyScript(name: string, body: string): Promise<Uint8Array> {
  const text = `import { ${NAMES} } from "gtpack";\nexport function invoke(operation: string, input: string): string { ${body} }\n`;
  return await compileAssemblyScript(await source(`as-${name}`, text), 'index.ts');
}

describe('a module in AssemblyScript imports the interfaces that it uses and no other', () => {
  test.each(Object.entries(ASSEMBLYSCRIPT))('%s', async (name, body) => {
    expect(importsOf(await assemblyScript(name, body))).toEqual({ imports: [name], foreign: [] });
  });

  test('what it does not use leaves no text behind either', async () => {
    const wasm = await assemblyScript('none', 'return ok(input);');
    expect(importsOf(wasm)).toEqual({ imports: [], foreign: [] });
    const text = Buffer.from(wasm).toString('utf16le') + Buffer.from(wasm.subarray(1)).toString('utf16le');
    for (const name of Object.keys(ASSEMBLYSCRIPT)) expect(text).not.toContain(`${name}.`);
    expect(text).toContain('{"ok":');
  });
});

describe('a component', () => {
  test('imports what it requests, config and log; the SDK’s other functions leave nothing', async () => {
    const text =
      "import { defineProvider, http } from 'gtpack/sdk';\nexport const { invoke } = defineProvider({ invoke: { a: (input) => http.send({ url: String(input) }).status } });\n";
    const dir = await source('ts-http', text);
    const wasm = await compileTypeScript(dir, 'index.ts', { exports: ['invoke'], imports: ['http'] });
    expect(importsOf(wasm)).toEqual({ imports: ['http', 'config', 'log'], foreign: [] });
  });

  test('that uses what its provider does not request is refused, with the line that is missing', async () => {
    const text =
      "import { defineProvider, state } from 'gtpack/sdk';\nexport const { invoke } = defineProvider({ invoke: { a: () => state.get('k') } });\n";
    const dir = await source('ts-state', text);
    await expect(
      compileTypeScript(dir, 'index.ts', { exports: ['invoke'], imports: ['http'] }),
    ).rejects.toMatchObject({
      code: 'pack_compile_failed',
      problems: [
        {
          message: 'The source imports "state", which the provider does not request.',
          cure: 'Add to its requests in pack.yaml: - { capability: state, reason: "why it is needed" }',
        },
      ],
    });
  });

  test('keeps what its own modules do when they are loaded', async () => {
    const text =
      "import './mark.ts';\nimport { defineProvider } from 'gtpack/sdk';\nexport const { invoke } = defineProvider({ invoke: { a: () => null } });\n";
    const dir = await source('ts-marked', text);
    await writeFile(join(dir, 'mark.ts'), "Object.assign(globalThis, { mark: 'loaded for its mark' });\n");
    const wasm = await compileTypeScript(dir, 'index.ts', { exports: ['invoke'], imports: [] });
    expect(Buffer.from(wasm).includes('loaded for its mark')).toBe(true);
  });
});
