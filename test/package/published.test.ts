import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { readPack } from '../../host/pack/read-pack.ts';
import { packFile } from '../system/packs.ts';
import { gtpack, type Installation, install } from './installation.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let installation: Installation;

beforeAll(() => {
  installation = install();
  return () => installation.remove();
}, 180_000);

/** Files by their path in the folder of the installation. */
function put(files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(installation.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

const order = { order: { id: 42, total: 99.5 } };

// Each command is a process of its own, some with a compiler in it.
describe('what gets published works where it is installed', { timeout: 120_000 }, () => {
  test('it holds the compiled host, the SDK, the README and the licence, and no sources of the host and no tests', () => {
    const { published } = installation;
    expect(published).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'dist/host/cli/gtpack.mjs',
        'dist/host/entry/cell-host.js',
        'dist/host/entry/cell.js',
        'dist/host/entry/bus-store.js',
        'dist/host/entry/transpile.js',
        'sdk/wit/plugin.wit',
        'sdk/assemblyscript/assembly/index.ts',
        'sdk/typescript/index.ts',
        'sdk/templates/assemblyscript/pack.yaml',
        'sdk/templates/typescript/provider.ts',
      ]),
    );
    const rest = published.filter(
      (path) => !/^(dist|docs|sdk)\/|^(LICENSE|README\.md|SECURITY\.md|package\.json)$/.test(path),
    );
    expect(rest).toEqual([]);
  });

  test('gtpack --version says the version of the package', () => {
    expect(gtpack(installation, ['--version'])).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  test.each(['echo-as', 'echo-ts'] as const)('an event goes through a cell: %s', async (name) => {
    const input = JSON.stringify({ event_type: 'order.created', body: order });
    const { status, stdout, stderr } = gtpack(installation, [
      'call',
      await packFile(name),
      'ingest',
      '--input',
      input,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      events: [{ event_type: 'order.created', source: name, payload: order }],
    });
  });

  test('a pack is built of WebAssembly that its author brings, and inspected', async () => {
    const [provider] = (await readPack(await packFile('events-webhook'))).providers;
    put({
      'brought/pack.yaml':
        'id: acme.hook\nversion: 1.0.0\npublisher: Acme\nproviders:\n  - { id: hook, kind: webhook, wasm: hook.wasm }\n',
      'brought/hook.wasm': provider?.wasm ?? '',
    });
    expect(gtpack(installation, ['pack', 'build', 'brought', '--out', 'built'])).toMatchObject({
      status: 0,
      stderr: '',
    });
    const { status, stdout } = gtpack(installation, ['pack', 'inspect', 'built/brought.gtpack', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, pack_id: 'acme.hook', sbom: { ok: true } });
  });

  test('a compiler that is not installed is named with the command that installs it, and works once it is', () => {
    cpSync(join(root, 'packs', 'events-timer'), join(installation.folder, 'events-timer'), {
      recursive: true,
    });
    const build = ['pack', 'build', 'events-timer', '--out', 'built'] as const;
    const refused = gtpack(installation, build);
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain('Run: npm install --save-dev assemblyscript');
    installation.add('assemblyscript', 'long');
    expect(gtpack(installation, build)).toMatchObject({ status: 0, stderr: '' });
    const ticked = gtpack(installation, ['call', 'built/events-timer.gtpack', 'tick']);
    expect(JSON.parse(ticked.stdout)).toMatchObject({ events: [{ event_type: 'timer.call' }] });
  });

  test('a new pack is made, built and called there', () => {
    installation.add('assemblyscript', 'long');
    expect(gtpack(installation, ['new', 'greetings'])).toMatchObject({ status: 0, stderr: '' });
    expect(gtpack(installation, ['pack', 'build', 'greetings'])).toMatchObject({ status: 0, stderr: '' });
    const called = gtpack(installation, ['call', 'greetings.gtpack', 'greet', '--input', '{"name":"Ann"}']);
    expect(called).toMatchObject({ status: 0, stdout: '{"greeting":"Hello, Ann"}\n' });
  });

  test('a host takes a webhook through provider, bus, flow and script, and stops when it is told to', async () => {
    put({
      'bundle/bundle.yaml':
        'http: { listen: "127.0.0.1:0" }\nproviders: { hook: { pack: hook.gtpack } }\nflows: [answer.ygtc]\n',
      'bundle/answer.ygtc': `name: answer
version: "1.0"
nodes:
  - { id: twice, type: script, config: { script: "doubled(event.payload.order.id)" }, next: answer }
  - { id: answer, type: http_response, config: { body: "{{ input }}" } }
triggers:
  - { type: event, event_type: "order.*", target: twice }
`,
      'bundle/scripts/doubled.js': 'export const doubled = (id) => ({ id: 2 * id });\n',
      'bundle/hook.gtpack': readFileSync(await packFile('events-webhook')),
    });
    const { program, folder } = installation;
    const host = spawn(process.execPath, [program, 'up', 'bundle'], { cwd: folder });
    try {
      let printed = '';
      for await (const text of host.stdout.setEncoding('utf8')) {
        printed += text;
        if (printed.includes('Ctrl-C stops it.')) break;
      }
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(printed) ?? [];
      const answer = await fetch(`${url}/events/webhook/default/order.created`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(order),
      });
      expect({ status: answer.status, body: await answer.json() }).toEqual({ status: 200, body: { id: 84 } });
      const exited = once(host, 'exit');
      host.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    } finally {
      host.kill('SIGKILL');
    }
  });

  test('a Node that says it is older is told in one sentence what to do', () => {
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '24.9.0' } });`;
    const { status, stdout, stderr } = gtpack(
      installation,
      ['up'],
      [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(older)}`],
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^gtpack needs Node 26 or newer and this is Node 24\.9\.0: .*\n$/);
  });

  const older = olderNode();
  test.skipIf(older === undefined)('so is one that really is older', () => {
    const { status, stdout, stderr } = gtpack(installation, ['up'], [older ?? '']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^gtpack needs Node 26 or newer and this is Node \d+\.\d+\.\d+: .*\n$/);
  });
});

/** A Node of this machine that is too old for gtpack; npm puts the pinned one before it in the path. */
function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'));
  return folders
    .map((folder) => join(folder, 'node'))
    .filter((file) => existsSync(file))
    .find((file) => {
      const { stdout } = spawnSync(file, ['--print', 'process.versions.node'], { encoding: 'utf8' });
      return Number(stdout.split('.')[0]) < 26;
    });
}
