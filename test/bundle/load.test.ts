import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { writeKeyPair } from '../../host/pack/key-file.ts';

const GOLDEN = 'test/golden/bundle';
const GOLDEN_CASES = (await readdir(GOLDEN)).sort();

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-bundle-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
}

async function load(yaml: string): Promise<Awaited<ReturnType<typeof loadBundle>>> {
  await put({
    'bundle.yaml': yaml,
    'a.gtpack': '',
    'flows/a.ygtc': '',
    'flows/b.ygtc': '',
    'flows/notes.md': '',
  });
  return loadBundle(dir);
}

const NO_SCHEDULES = { schedules: [], timezone: null, problems: [] };

describe('a bundle', () => {
  test('as small as DESIGN prints it is valid, and means env dev and tenant default', async () => {
    const fixture = await readFile('test/bundle/fixtures/smallest.yaml', 'utf8');
    await put({
      'bundle.yaml': fixture,
      'providers/events/events-webhook.gtpack': '',
      'providers/events/events-timer.gtpack': '',
    });
    expect(await loadBundle(dir)).toEqual({
      file: join(dir, 'bundle.yaml'),
      dir,
      env: 'dev',
      http: {
        host: '127.0.0.1',
        port: 8080,
        maxBodyBytes: 1_048_576,
        responseTimeoutMs: 10_000,
        publicUrl: null,
      },
      bus: {
        kind: 'embedded',
        file: join(dir, '.gtpack/bus.sqlite'),
        retentionMs: 86_400_000,
        maxBytes: 64 * 1024 ** 3,
      },
      operator: null,
      audit: { file: join(dir, '.gtpack/audit/audit.jsonl'), maxFileBytes: 67_108_864, keep: 10 },
      drainGraceMs: 10_000,
      dedupeWindowMs: 86_400_000,
      trust: null,
      tenants: [
        {
          id: 'default',
          providers: [
            {
              id: 'events-webhook',
              pack: join(dir, 'providers/events/events-webhook.gtpack'),
              line: 2,
              enabled: true,
              signatures: [],
              allowUnsigned: false,
              config: {},
              schedules: NO_SCHEDULES,
              grants: NO_GRANTS,
            },
            {
              id: 'events-timer',
              pack: join(dir, 'providers/events/events-timer.gtpack'),
              line: 4,
              enabled: true,
              signatures: [],
              allowUnsigned: false,
              config: {},
              schedules: NO_SCHEDULES,
              grants: NO_GRANTS,
            },
          ],
          flows: [],
          grants: NO_GRANTS,
          secrets: new Map(),
          limits: DEFAULT_LIMITS,
          isolation: 'shared',
          ordered: false,
        },
      ],
      warnings: [],
    });
  });

  test('in its full form is read to the last key', async () => {
    await mkdir(join(dir, 'keys'));
    const { fingerprint } = await writeKeyPair(join(dir, 'keys', 'acme'));
    const bundle = await load(`
env: prod
bus: { kind: embedded, file: /var/lib/gtpack/bus.sqlite, retention: 30d, max_bytes: 1GiB }
http: { listen: "[::1]:0", max_body: 2MiB, response_timeout: 3s }
dedupe_window: 7d
audit: { file: /var/log/gtpack/audit.jsonl, max_file: 1MiB, keep: 2 }
drain_grace: 1m
trust: ["blake3:${'ab'.repeat(32)}", keys/acme.pub]
tenants:
  acme:
    providers:
      hook: { pack: ./a.gtpack, enabled: false, allow_unsigned: true, config: { list: [1, "x", null, { a: true }] } }
    flows: ["flows/*.ygtc"]
    limits:
      cpu_slice: 100ms
      call_wall: 1s
      max_tenant_memory: 128MiB
      max_event: 64KiB
      max_json_depth: 32
      max_json_elements: 1000
      max_drafts_per_call: 10
      max_flow_steps: 50
      max_effects_per_run: 5
      max_queued_calls: 20
      max_in_flight: 10
      max_events_per_second: 100
      max_backlog: 5000
      max_log_line: 1KiB
      max_log_lines_per_call: 0
  globex: {}
`);
    expect(bundle).toMatchObject({
      env: 'prod',
      http: { host: '::1', port: 0, maxBodyBytes: 2_097_152, responseTimeoutMs: 3000 },
      bus: {
        kind: 'embedded',
        file: '/var/lib/gtpack/bus.sqlite',
        retentionMs: 30 * 86_400_000,
        maxBytes: 1024 ** 3,
      },
      audit: { file: '/var/log/gtpack/audit.jsonl', maxFileBytes: 1_048_576, keep: 2 },
      drainGraceMs: 60_000,
      dedupeWindowMs: 604_800_000,
      trust: new Set(['ab'.repeat(32), fingerprint]),
    });
    const [acme, globex] = bundle.tenants;
    expect(acme?.providers).toEqual([
      {
        id: 'hook',
        pack: join(dir, 'a.gtpack'),
        line: 12,
        enabled: false,
        allowUnsigned: true,
        signatures: [],
        config: { list: [1, 'x', null, { a: true }] },
        schedules: NO_SCHEDULES,
        grants: NO_GRANTS,
      },
    ]);
    expect(acme?.flows).toEqual([join(dir, 'flows/a.ygtc'), join(dir, 'flows/b.ygtc')]);
    expect(acme?.limits).toEqual({
      ...DEFAULT_LIMITS,
      cpuSliceMs: 100,
      callWallMs: 1000,
      maxTenantMemoryBytes: 134_217_728,
      maxEventBytes: 65_536,
      maxJsonDepth: 32,
      maxJsonElements: 1000,
      maxDraftsPerCall: 10,
      maxFlowSteps: 50,
      maxEffectsPerRun: 5,
      maxQueuedCalls: 20,
      maxInFlight: 10,
      maxEventsPerSecond: 100,
      maxBacklog: 5000,
      maxLogLineBytes: 1024,
      maxLogLinesPerCall: 0,
    });
    expect(globex).toEqual({
      id: 'globex',
      providers: [],
      flows: [],
      grants: NO_GRANTS,
      secrets: new Map(),
      limits: DEFAULT_LIMITS,
      isolation: 'shared',
      ordered: false,
    });
  });

  test('may have a default tenant at its top and others by name, or the default by name', async () => {
    const both = await load('flows: [flows/a.ygtc]\ntenants: { acme: { flows: [flows/b.ygtc] } }');
    expect(both.tenants.map(({ id, flows }) => [id, flows])).toEqual([
      ['default', [join(dir, 'flows/a.ygtc')]],
      ['acme', [join(dir, 'flows/b.ygtc')]],
    ]);
    const named = await load('tenants: { default: { flows: [flows/b.ygtc] } }');
    expect(named.tenants.map(({ id }) => id)).toEqual(['default']);
  });

  test("grants a tenant's flows what it says under the tenant, at the top for the default one, and nothing else", async () => {
    const bundle = await load(`
flows: [flows/a.ygtc]
grants: { http: { hosts: [api.example.com] } }
tenants:
  acme: { flows: [flows/b.ygtc], grants: { http: { hosts: ["*"], methods: [POST] } } }
  globex: { flows: [flows/b.ygtc] }
`);
    const [own, acme, globex] = bundle.tenants.map(({ grants }) => grants);
    expect(own?.http).toMatchObject({ hosts: [{ host: 'api.example.com' }], methods: ['GET', 'HEAD'] });
    expect(acme?.http).toMatchObject({ hosts: [{ host: '*' }], methods: ['POST'] });
    expect(globex).toEqual(NO_GRANTS);
  });

  test('names each flow once, however many entries match it', async () => {
    const bundle = await load('flows: [flows/b.ygtc, "flows/*.ygtc", "**/b.ygtc", "flows/{a,b}.ygtc"]');
    expect(bundle.tenants[0]?.flows).toEqual([join(dir, 'flows/b.ygtc'), join(dir, 'flows/a.ygtc')]);
  });

  test('may name a flow whose file name looks like a glob', async () => {
    await put({ 'flows/[a].ygtc': '' });
    expect((await load('flows: ["flows/[a].ygtc"]')).tenants[0]?.flows).toEqual([
      join(dir, 'flows/[a].ygtc'),
    ]);
  });

  test('may take its packs from outside of its folder: it is the operator who writes it', async () => {
    await put({
      'elsewhere/b.gtpack': '',
      'in/bundle.yaml': 'providers: { b: { pack: ../elsewhere/b.gtpack } }',
    });
    const bundle = await loadBundle(join(dir, 'in'));
    expect(bundle.tenants[0]?.providers[0]?.pack).toBe(join(dir, 'elsewhere/b.gtpack'));
  });

  test('may be named by its file', async () => {
    await put({ 'other.yml': 'providers: { a: { pack: a.gtpack } }', 'a.gtpack': '' });
    expect((await loadBundle(join(dir, 'other.yml'))).file).toBe(join(dir, 'other.yml'));
  });

  test('gives a tenant a cell host of its own where it, or one of its enabled providers, asks for that', async () => {
    const bundle = await load(`
      tenants:
        shared: { isolation: shared, providers: { p: { pack: a.gtpack } } }
        alone: { isolation: process, providers: { p: { pack: a.gtpack, isolation: shared } } }
        asked: { providers: { p: { pack: a.gtpack }, q: { pack: a.gtpack, isolation: process } } }
        disabled: { providers: { p: { pack: a.gtpack }, q: { pack: a.gtpack, isolation: process, enabled: false } } }`);
    expect(bundle.tenants.map(({ isolation }) => isolation)).toEqual([
      'shared',
      'process',
      'process',
      'shared',
    ]);
  });

  test('strict order is what a tenant asks for', async () => {
    const bundle = await load(`tenants:
  one: { ordered: true, providers: { p: { pack: a.gtpack } } }
  other: { providers: { p: { pack: a.gtpack } } }`);
    expect(bundle.tenants.map(({ ordered }) => ordered)).toEqual([true, false]);
  });

  test('nothing is kept for less than its id is remembered', async () => {
    const error: unknown = await load(`bus: { kind: embedded, retention: 1h }
providers: { p: { pack: a.gtpack } }`).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'bundle_invalid',
      problems: [{ line: 1, message: expect.stringContaining('kept for 1h') }],
    });
    const bundle = await load(`bus: { kind: embedded, retention: 1h }
dedupe_window: 1h
providers: { p: { pack: a.gtpack } }`);
    expect(bundle.bus).toMatchObject({ retentionMs: 3_600_000 });
  });

  test('may repeat itself with an alias', async () => {
    const bundle = await load('tenants: { a: &t { providers: { p: { pack: a.gtpack } } }, b: *t }');
    expect(bundle.tenants.map(({ id, providers }) => [id, providers[0]?.id])).toEqual([
      ['a', 'p'],
      ['b', 'p'],
    ]);
  });

  test('is frozen all through', async () => {
    const bundle = await load('providers: { a: { pack: a.gtpack, config: { list: [{ a: 1 }] } } }');
    const open: unknown[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) open.push(value);
      Object.values(value).forEach(visit);
    };
    visit(bundle);
    expect(open).toEqual([]);
  });
});

describe('a trusted key', () => {
  test.each([
    [
      'that is not there',
      'keys/none.pub',
      'file_unreadable',
      'trust: "keys/none.pub": The key cannot be read',
    ],
    ['that is no key', 'bundle.yaml', 'key_invalid', 'trust: "bundle.yaml": An Ed25519 key was expected'],
    [
      'with half a fingerprint',
      'blake3:abab',
      'bundle_invalid',
      'the path of a public key, or a fingerprint',
    ],
  ])('%s is refused at its place', async (_title, key, code, message) => {
    const error: unknown = await load(`trust:\n  - ${key}\nproviders: { hook: { pack: a.gtpack } }`).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code, problems: [{ line: 2 }] });
    expect(String(error)).toContain(message);
  });

  test('that is a private one is refused, and not shown', async () => {
    await writeKeyPair(join(dir, 'acme'));
    await expect(load('trust: [acme]\nproviders: { hook: { pack: a.gtpack } }')).rejects.toThrow(
      'A public key in PEM was expected; a private one came.',
    );
  });
});

describe('a bundle is refused', () => {
  test.each(GOLDEN_CASES)('as test/golden/bundle/%s expects', async (name) => {
    const error: unknown = await loadBundle(join(GOLDEN, name)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Error);
    const message = String((error as Error).message).replaceAll(resolve('.'), '<root>');
    expect(`${message}\n`).toBe(await readFile(join(GOLDEN, name, 'expected.txt'), 'utf8'));
  });

  test('when there is none', async () => {
    await expect(loadBundle(dir)).rejects.toThrow(
      `${join(dir, 'bundle.yaml')}: There is no bundle here. Give the folder of a bundle.yaml, or the file.`,
    );
    await expect(loadBundle(join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'file_unreadable' });
  });

  test('when what stands there is no file', async () => {
    await mkdir(join(dir, 'bundle.yaml'));
    await expect(loadBundle(dir)).rejects.toThrow('A file was expected; this is none.');
    await expect(loadBundle('/dev/zero')).rejects.toThrow('A file was expected; this is none.');
    await expect(loadBundle(join(dir, 'bundle.yaml', 'x\0y'))).rejects.toMatchObject({
      code: 'file_unreadable',
    });
  });

  test('of three megabytes is read: the tenants of a fleet take so much', async () => {
    const text = `# ${'x'.repeat(3_000_000)}\nproviders:\n  hook: { pack: a.gtpack }\n`;
    expect((await load(text)).tenants.map(({ providers }) => providers.map(({ id }) => id))).toEqual([
      ['hook'],
    ]);
  });

  test('of ten megabytes, unread', async () => {
    await expect(load(`# ${'x'.repeat(10_000_000)}`)).rejects.toThrow(
      'The file is 10000002 bytes long; at most 4194304 are read.',
    );
  });

  test.each([
    ['brackets', '['.repeat(100_000)],
    ['closed brackets', `a: ${'['.repeat(50_000)}${']'.repeat(50_000)}`],
    ['dashes', '- '.repeat(50_000)],
    ['braces', '{a: '.repeat(40_000)],
  ])('with %s as deep as the file is long, in one line', async (_, yaml) => {
    const error: unknown = await load(yaml).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'GtpackError', code: 'yaml_invalid' });
    expect(String(error).split('\n')).toHaveLength(1);
  });

  test('with a config that nests deeper than a cell would parse', async () => {
    const config = '['.repeat(65) + ']'.repeat(65);
    await expect(load(`providers: { a: { pack: a.gtpack, config: ${config} } }`)).rejects.toThrow(
      'The config of the provider "a" nests objects and arrays more than 64 deep',
    );
  });

  test('with its first 20 problems when it is wrong from end to end', async () => {
    const yaml = `providers:\n${Array.from({ length: 100 }, (_, index) => `  p${index}: 1\n`).join('')}`;
    const error: unknown = await load(yaml).catch((thrown: unknown) => thrown);
    const lines = String((error as Error).message).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[19]).toMatch(/bundle\.yaml:21:8: providers\.p19: a mapping was expected; 1 came\.$/);
    expect(lines[20]).toMatch(/80 more problems are not shown\.$/);
  });
});
