import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bundle } from '../../host/bundle/bundle.ts';
import { type ControlServer, openControl } from '../../host/control/control.ts';
import { GtpackError } from '../../host/errors.ts';
import { parseEnvName, parseTenantId } from '../../host/event/names.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import type { PackReport } from '../../host/interop/pack-report.ts';
import type {
  CallAnswer,
  CallOptions,
  CallReport,
  HostLog,
  RunningHost,
  StartHost,
} from '../../host/running-host.ts';
import { FakeHost } from '../control/fake-host.ts';
import { runToEnd, start } from './desk.ts';

let dir = '';
let host = new FakeHost();
let control: ControlServer | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
  await writeFile(join(dir, 'bundle.yaml'), '');
  host = new FakeHost();
});
afterEach(async () => {
  await control?.close();
  control = undefined;
  await rm(dir, { recursive: true, force: true });
});

describe('usage', () => {
  test.each([
    ['nothing', [], 'Usage: gtpack'],
    ['an unknown command', ['ups'], 'Did you mean up?'],
    ['an unknown option', ['up', '--bogus'], "unknown option '--bogus'"],
    ['too many words', ['up', 'a', 'b'], 'too many arguments'],
    ['a missing word', ['emit', 'demo'], "missing required argument 'TYPE'"],
    ['a missing option', ['pack', 'sign', 'a.gtpack'], "required option '--key <KEY>'"],
    ['a missing value', ['emit', 'a', 'b', '--payload'], 'argument missing'],
    ['half a command', ['pack'], 'Usage: gtpack pack'],
  ])('%s: status 2, and the way out on stderr', async (_title, argv, words) => {
    const { status, out, err } = await runToEnd(argv, { cwd: dir });
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(words);
  });

  test('help and version are answers: status 0, on stdout', async () => {
    const help = await runToEnd(['tail', '--help'], { cwd: dir });
    expect([help.status, help.err]).toEqual([0, '']);
    expect(help.out).toContain('Usage: gtpack tail');
    const version = await runToEnd(['--version'], { cwd: dir });
    expect([version.status, version.out]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  test('no bundle named and none here: the error says where it looked', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'cli-empty-'));
    const { status, err } = await runToEnd(['check'], { cwd: empty });
    expect([status, err]).toEqual([
      1,
      `There is no bundle.yaml in ${empty}. Go to the folder of a bundle, or name it: \`gtpack up BUNDLE\`, \`gtpack tail --bundle BUNDLE\`.\n`,
    ]);
    await rm(empty, { recursive: true });
  });
});

const bundleOf = (folder: string): Bundle => ({
  file: join(folder, 'bundle.yaml'),
  dir: folder,
  env: parseEnvName('dev'),
  http: { host: '127.0.0.1', port: 8080, maxBodyBytes: 1, responseTimeoutMs: 1, publicUrl: null },
  bus: { kind: 'embedded', file: 'x', retentionMs: 1, maxBytes: 1 },
  operator: null,
  audit: { file: 'x', maxFileBytes: 1, keep: 2 },
  drainGraceMs: 10_000,
  dedupeWindowMs: 1,
  trust: null,
  tenants: [],
  warnings: [],
});

describe('up', () => {
  const url = 'http://127.0.0.1:8080';
  const running = (stops: number[]): RunningHost => ({
    url,
    control: host,
    lost: new Promise(() => undefined),
    describe: () => ({
      env: parseEnvName('dev'),
      tenants: [
        {
          id: parseTenantId('demo'),
          isolation: 'shared',
          providers: [{ id: 'events-webhook', kind: 'webhook', signatures: [] }],
          webhookUrls: [`${url}/events/webhook/demo/{event_type}`],
          flows: ['on_event'],
          timers: [
            { schedule: 'flow:on_event/1', plan: '0 9 * * * UTC', next: Date.parse('2025-01-02T09:00:00Z') },
            { schedule: 'flow:on_event/2', plan: '0 0 30 2 * UTC', next: null },
          ],
        },
      ],
    }),
    stop: async (graceMs) => {
      stops.push(graceMs);
    },
  });
  const rooms = (stops: number[], seen: Bundle[] = []) => ({
    loadBundle: async (path: string) => bundleOf(path),
    startHost: async (bundle: Bundle) => {
      seen.push(bundle);
      return running(stops);
    },
  });

  test('says what runs, one line to try, and what there is; then stops cleanly', async () => {
    const stops: number[] = [];
    const desk = start(['up'], { cwd: dir, rooms: rooms(stops) });
    await desk.shows('Ctrl-C stops it.');
    expect(desk.out().split('\n')).toEqual([
      `gtpack runs bundle.yaml (env dev) at ${url}`,
      '',
      'Send it an event:',
      `  curl -i -X POST ${url}/events/webhook/demo/order.created -H 'content-type: application/json' -d '{"order":{"id":42,"total":99.5}}'`,
      '',
      'Watch what passes, in another terminal:',
      '  gtpack tail',
      '',
      'Tenant demo',
      '  provider  events-webhook (webhook)',
      `  webhook   POST ${url}/events/webhook/demo/{event_type}`,
      '  flow      on_event',
      '  timer     flow:on_event/1  0 9 * * * UTC  next: 2025-01-02T09:00:00Z, in 21 hours',
      '  timer     flow:on_event/2  0 0 30 2 * UTC  next: never',
      '',
      'Ctrl-C stops it.',
      '',
    ]);
    expect(desk.err()).toBe('Using the bundle bundle.yaml.\n');
    const emitted = await runToEnd(['emit', 'demo', 'a.b', '--json'], { cwd: dir });
    expect(JSON.parse(emitted.out)).toMatchObject({ id: 'id-1' });
    desk.stop('SIGINT');
    expect([await desk.status, stops]).toEqual([0, [10_000]]);
    expect(desk.err()).toContain('Stopped.');
    const after = await runToEnd(['emit', 'demo', 'a.b'], { cwd: dir });
    expect([after.status, after.err]).toEqual([1, expect.stringContaining('No host is running')]);
  });

  test('ends with status 1 and the reason where the host can do nothing more, for whoever starts it again', async () => {
    const stops: number[] = [];
    const lost = Promise.withResolvers<GtpackError>();
    const startHost = async () => ({ ...running(stops), lost: lost.promise });
    const desk = start(['up'], { cwd: dir, rooms: { ...rooms(stops), startHost } });
    await desk.shows('Ctrl-C stops it.');
    lost.resolve(new GtpackError('bus_unavailable', 'The bus has stopped: its thread ended.'));
    expect([await desk.status, stops]).toEqual([1, [0]]);
    expect(desk.err()).toContain('The bus has stopped: its thread ended.');
  });

  test('shows the URLs that senders see and how they sign, and tries only what anybody may send, at the host itself', async () => {
    const seenAs = 'https://hooks.example.com/in';
    const urlOf = (tenant: string) => `${seenAs}/events/webhook/${tenant}/{event_type}`;
    const tenantOf = (id: string, signatures: string[]) => ({
      id: parseTenantId(id),
      isolation: 'shared' as const,
      providers: [{ id: 'hooks', kind: 'webhook' as const, signatures }],
      webhookUrls: [urlOf(id)],
      flows: [],
      timers: [],
    });
    const desk = start(['up'], {
      cwd: dir,
      rooms: {
        loadBundle: async (path: string) => {
          const bundle = bundleOf(path);
          return { ...bundle, http: { ...bundle.http, publicUrl: seenAs } };
        },
        startHost: async () => ({
          ...running([]),
          describe: () => ({
            env: parseEnvName('dev'),
            tenants: [tenantOf('signed', ['github', 'acme']), tenantOf('open', [])],
          }),
        }),
      },
    });
    await desk.shows('Ctrl-C stops it.');
    expect(desk.out()).toContain('  provider  hooks (webhook, signed: github, acme)\n');
    expect(desk.out()).toContain(`  webhook   POST ${urlOf('signed')}\n`);
    expect(desk.out()).toContain(`  curl -i -X POST ${url}/events/webhook/open/order.created -H`);
    desk.stop('SIGINT');
    expect(await desk.status).toBe(0);
  });

  test('from npm, it names the commands as npm runs them; of a bundle elsewhere, with its folder', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'cli-else where-'));
    const desk = start(['up', elsewhere], {
      cwd: dir,
      rooms: rooms([]),
      env: { npm_lifecycle_event: 'start' },
    });
    await desk.shows('Ctrl-C stops it.');
    expect(desk.out()).toContain(`  npm run -s gtpack -- tail --bundle '${elsewhere}'\n`);
    desk.stop();
    await desk.status;
    await rm(elsewhere, { recursive: true });
  });

  test('--listen is taken instead of the bundle’s address', async () => {
    const seen: Bundle[] = [];
    const desk = start(['up', '--listen', '[::1]:0'], { cwd: dir, rooms: rooms([], seen) });
    await desk.shows('Ctrl-C stops it.');
    expect(seen[0]?.http).toMatchObject({ host: '::1', port: 0, maxBodyBytes: 1 });
    desk.stop();
    expect(await desk.status).toBe(0);
  });

  test.each(['8080', 'localhost', ':1', '1.2.3.4:99999', 'a b:1', ''])(
    '--listen %j is wrong usage',
    async (text) => {
      const { status, err } = await runToEnd(['up', '--listen', text], { cwd: dir, rooms: rooms([]) });
      expect([status, err]).toEqual([2, expect.stringContaining('--listen takes HOST:PORT')]);
    },
  );

  test('--instance names the host before the bus and on the first line', async () => {
    const given: (string | undefined)[] = [];
    const fake = rooms([]);
    const startHost: StartHost = (bundle, options) => {
      given.push(options.instance);
      return fake.startHost(bundle);
    };
    const desk = start(['up', '--instance', 'host-a'], { cwd: dir, rooms: { ...fake, startHost } });
    await desk.shows('(env dev, instance host-a)');
    desk.stop();
    expect(await desk.status).toBe(0);
    expect(given).toEqual(['host-a']);
  });

  test.each(['', 'a b', 'a/b', 'x'.repeat(64)])('--instance %j is wrong usage', async (text) => {
    const { status, err } = await runToEnd(['up', '--instance', text], { cwd: dir, rooms: rooms([]) });
    expect([status, err]).toEqual([2, expect.stringContaining('--instance takes a name')]);
  });

  test('a second host of the same bundle is refused before it opens anything', async () => {
    control = await openControl(dir, host);
    const seen: Bundle[] = [];
    const { status, err } = await runToEnd(['up'], { cwd: dir, rooms: rooms([], seen) });
    expect([status, seen]).toEqual([1, []]);
    expect(err).toContain(`A host is running in ${dir} already; its socket is ${control.path}.`);
  });

  test('a host whose control socket can’t be made is stopped again', async () => {
    const stops: number[] = [];
    await writeFile(join(dir, '.gtpack'), '');
    const { status } = await runToEnd(['up'], { cwd: dir, rooms: rooms(stops) });
    expect([status, stops]).toEqual([1, [0]]);
  });

  test('a refused bundle prints every problem with its place, relative to here', async () => {
    const problems = [
      { code: 'bundle_invalid', message: 'One.', file: join(dir, 'bundle.yaml'), line: 3, column: 5 },
      {
        code: 'flow_invalid',
        message: 'Two.',
        cure: 'Mend it.',
        file: '/elsewhere/x.ygtc',
        line: 1,
        column: 1,
      },
    ] as const;
    const loadBundle = async () => {
      throw GtpackError.ofProblems(problems);
    };
    const { status, out, err } = await runToEnd(['up', dir], { cwd: dir, rooms: { loadBundle } });
    expect([status, out, err]).toEqual([
      1,
      '',
      'bundle.yaml:3:5: One.\n/elsewhere/x.ygtc:1:1: Two. Mend it.\n',
    ]);
  });

  test('the host’s log is on stderr, and no text of a pack moves the cursor', async () => {
    let log: HostLog | undefined;
    const desk = start(['up'], {
      cwd: dir,
      rooms: {
        ...rooms([]),
        startHost: async (_bundle, options) => {
          log = options.log;
          return running([]);
        },
      },
    });
    await desk.shows('Ctrl-C stops it.');
    log?.({ level: 'warn', message: 'a\u001b[2J\nb\u202e', tenant: 'demo', provider: 'p' });
    log?.({ level: 'debug', message: 'fine detail' });
    expect(desk.err()).toContain('warn  demo/p: a\\u{1b}[2J\\u{a}b\\u{202e}\n');
    expect(desk.err()).not.toContain('fine detail');
    desk.stop();
    await desk.status;
  });

  test('a fault of the host is one line without a stack; GTPACK_DEBUG=1 shows it', async () => {
    const loadBundle = async () => {
      throw new TypeError('x is not a function');
    };
    const quiet = await runToEnd(['up'], { cwd: dir, rooms: { loadBundle } });
    expect([quiet.status, quiet.err]).toEqual([
      1,
      'Using the bundle bundle.yaml.\ngtpack failed: x is not a function\nThis is a fault of gtpack. GTPACK_DEBUG=1 shows where it happened.\n',
    ]);
    const loud = await runToEnd(['up'], { cwd: dir, rooms: { loadBundle }, env: { GTPACK_DEBUG: '1' } });
    expect(loud.err).toContain('commands.test.ts');
  });
});

describe('check', () => {
  const problem = {
    code: 'flow_invalid',
    message: 'No such node.',
    file: '/x.ygtc',
    line: 2,
    column: 1,
  } as const;

  test('a sound bundle: status 0', async () => {
    const rooms = {
      loadBundle: async (path: string) => bundleOf(path),
      checkBundle: async () => ({
        problems: [],
        packs: 1,
        flows: 2,
        isolated: [],
        warnings: ['It is odd\u001b[2J.'],
        notes: ['It runs without timers.'],
      }),
    };
    const plain = await runToEnd(['check', dir], { cwd: dir, rooms });
    expect([plain.status, plain.out, plain.err]).toEqual([
      0,
      '. is sound: 1 pack, 2 flows.\n',
      'It is odd\\u{1b}[2J.\nIt runs without timers.\n',
    ]);
    const json = await runToEnd(['check', '--json'], { cwd: dir, rooms });
    expect(JSON.parse(json.out)).toEqual({
      ok: true,
      isolated: [],
      bundle: dir,
      packs: 1,
      flows: 2,
      problems: [],
      warnings: ['It is odd\u001b[2J.'],
      notes: ['It runs without timers.'],
    });
  });

  test('problems: status 1, each on a line', async () => {
    const rooms = {
      loadBundle: async (path: string) => bundleOf(path),
      checkBundle: async () => ({
        problems: [problem, problem],
        packs: 1,
        flows: 2,
        isolated: [],
        warnings: [],
        notes: [],
      }),
    };
    const plain = await runToEnd(['check', dir], { cwd: dir, rooms });
    expect([plain.status, plain.out, plain.err]).toEqual([
      1,
      '',
      '/x.ygtc:2:1: No such node.\n/x.ygtc:2:1: No such node.\n2 problems found.\n',
    ]);
    const json = await runToEnd(['check', dir, '--json'], { cwd: dir, rooms });
    expect([json.status, JSON.parse(json.out)]).toMatchObject([
      1,
      { ok: false, problems: [problem, problem] },
    ]);
  });

  test('a bundle that can’t be loaded is a report, too', async () => {
    const loadBundle = async () => {
      throw GtpackError.ofProblems([problem]);
    };
    const json = await runToEnd(['check', dir, '--json'], { cwd: dir, rooms: { loadBundle } });
    expect([json.status, JSON.parse(json.out)]).toMatchObject([1, { ok: false, problems: [problem] }]);
  });
});

describe('tail', () => {
  test('--json prints what passes, a document a line, and ends with 0 when it is stopped', async () => {
    control = await openControl(dir, host);
    const desk = start(['tail', '--json'], { cwd: dir });
    await host.listening(1);
    host.pass({ json: '{"id":"1","n":1.0}' }, { kind: 'result', json: '{"status":"ok"}' });
    await desk.shows('"status":"ok"');
    expect(desk.out().split('\n')).toEqual([
      '{"kind":"event","subject":"greentic.events.dev.demo.order.created","tenant":"demo","type":"order.created","event":{"id":"1","n":1.0}}',
      '{"kind":"result","subject":"greentic.events.dev.demo.order.created.result","tenant":"demo","type":"order.created","result":{"status":"ok"}}',
      '',
    ]);
    expect(desk.err()).toContain('Watching the events of the host at http://localhost:1 (env dev)');
    desk.stop('output_closed');
    expect(await desk.status).toBe(0);
    await host.listening(0);
  });

  test('for people, each message is a line without control characters', async () => {
    control = await openControl(dir, host);
    const desk = start(['tail', '--bundle', join(dir, 'bundle.yaml'), '--tenant', 'demo'], { cwd: tmpdir() });
    await host.listening(1);
    host.pass(
      { json: '{"t":"\u009b2J\u202e"}' },
      { json: `"${'x'.repeat(5 * 1024 * 1024)}"` },
      { kind: 'dead_letter', json: '{}' },
    );
    await desk.shows('dead_letter');
    expect(desk.out().split('\n')).toEqual([
      'event       greentic.events.dev.demo.order.created  {"t":"\\u{9b}2J\\u{202e}"}',
      'dropped     1 messages were left out: they came faster than this terminal took them',
      'dead_letter greentic.dlq.dev.demo.order.created  {}',
      '',
    ]);
    desk.stop('SIGINT');
    expect(await desk.status).toBe(0);
  });

  test('an unknown tenant is refused with the known ones: it would wait for ever', async () => {
    control = await openControl(dir, host);
    const { status, err } = await runToEnd(['tail', '--tenant', 'nobody'], { cwd: dir });
    expect([status, err]).toEqual([
      1,
      expect.stringContaining('no tenant "nobody". Its tenants: demo, two.'),
    ]);
  });

  test('a host that goes away ends it with 1', async () => {
    const server = await openControl(dir, host);
    const desk = start(['tail'], { cwd: dir });
    await host.listening(1);
    await server.close();
    expect(await desk.status).toBe(1);
    expect(desk.err()).toContain('The host closed the connection.');
  });

  test('without a host it says so, and how to start one', async () => {
    const { status, err } = await runToEnd(['tail'], { cwd: dir });
    expect([status, err]).toEqual([1, expect.stringContaining(`Start one with \`gtpack up ${dir}\``)]);
  });
});

describe('emit', () => {
  test('publishes the payload as it stands', async () => {
    control = await openControl(dir, host);
    const plain = await runToEnd(['emit', 'demo', 'a.b', '--payload', '{"n":1.0}'], { cwd: dir });
    expect([plain.status, plain.out]).toEqual([0, 'Published a.b for demo as id-1.\n']);
    const json = await runToEnd(['emit', 'demo', 'a.b', '--json'], { cwd: dir });
    expect(JSON.parse(json.out)).toEqual({ id: 'id-2', tenant: 'demo', type: 'a.b', duplicate: false });
    await runToEnd(['emit', 'demo', 'a.b', '--payload', '-'], { cwd: dir, stdin: '[1, "ü"]\n' });
    expect(host.emitted.map((emitted) => (emitted as string[])[2])).toEqual([
      '{"n":1.0}',
      '{}',
      '[1, "ü"]\n',
    ]);
  });

  test('what the host refuses: status 1, the problem on stderr, and as a document with --json', async () => {
    control = await openControl(dir, host);
    const { status, out, err } = await runToEnd(['emit', 'demo', 'bad type', '--json'], { cwd: dir });
    expect(status).toBe(1);
    expect(err).toContain('No event type. Write order.created.\n');
    expect(JSON.parse(out)).toEqual({
      error: {
        code: 'event_type_invalid',
        problems: [{ code: 'event_type_invalid', message: 'No event type.', cure: 'Write order.created.' }],
      },
    });
  });

  test('stdin is bounded, and has to be UTF-8', async () => {
    control = await openControl(dir, host);
    const argv = ['emit', 'demo', 'a', '--payload', '-'];
    const big = await runToEnd(argv, { cwd: dir, stdin: [Buffer.alloc(1024 * 1024), Buffer.alloc(1)] });
    expect([big.status, big.err]).toEqual([1, expect.stringContaining('More than 1048576 bytes')]);
    const binary = await runToEnd(argv, { cwd: dir, stdin: [Buffer.from([0xff])] });
    expect([binary.status, binary.err]).toEqual([1, expect.stringContaining('not UTF-8')]);
  });
});

describe('call', () => {
  const reported = (answer: CallAnswer): CallReport => ({
    answer,
    effects: [
      {
        capability: 'http',
        fn: 'send',
        target: 'GET https://a',
        decision: 'denied',
        code: 'x',
        durationMs: 2,
      },
    ],
    durationMs: 1.25,
    memoryBytes: 2048,
    state: new Map([['n', '2']]),
  });

  test('prints what the provider answers, and what it asked of the host', async () => {
    const calls: unknown[] = [];
    const rooms = {
      callPlugin: async (...given: unknown[]) => {
        calls.push(given);
        return reported({ kind: 'output', output: '{"a":\n1.0}' });
      },
    };
    const argv = ['call', 'x.gtpack', 'greet', '--input', '{"n":1}'];
    const plain = await runToEnd(argv, { cwd: dir, rooms, showsProgress: true });
    expect([plain.status, plain.out, plain.err]).toEqual([
      0,
      '{"a": 1.0}\n',
      'http.send GET https://a denied (x)\n1.3 ms, 2 KiB of memory.\n',
    ]);
    const json = await runToEnd([...argv, '--json'], { cwd: dir, rooms });
    expect(json.out).toBe(
      '{"ok":true,"output":{"a": 1.0},"host_calls":[{"capability":"http","fn":"send","target":"GET https://a","decision":"denied","code":"x","duration_ms":2}],"duration_ms":1.25,"memory_bytes":2048}\n',
    );
    expect(calls[0]).toMatchObject([join(dir, 'x.gtpack'), 'greet', '{"n":1}', { grants: NO_GRANTS }]);
  });

  test('grants, secrets, config and state reach the call, and the state goes back to its file', async () => {
    const calls: unknown[] = [];
    const rooms = {
      callPlugin: async (...given: unknown[]) => {
        calls.push(...given.slice(1));
        return reported({ kind: 'output', output: '1' });
      },
    };
    await writeFile(join(dir, 'state.json'), '{"n":1,"m":{"a":[]}}');
    const { status } = await runToEnd(
      [
        ...[
          'call',
          'x.wasm',
          'invoke',
          'describe',
          '--component',
          'mail',
          '--grant',
          'http=a.example',
          'bus=a.b',
        ],
        ...['--secret', 'KEY=a=b', '--state', 'state.json', '--config', '{"c":1}', '--stub-http'],
      ],
      { cwd: dir, rooms },
    );
    expect([status, calls[0]]).toEqual([0, 'describe']);
    const options = calls[2] as CallOptions;
    expect(options).toMatchObject({ provider: 'mail', config: { c: 1 }, stubHttp: true });
    expect([...options.secrets]).toEqual([['KEY', 'a=b']]);
    expect([...options.state]).toEqual([
      ['n', '1'],
      ['m', '{"a":[]}'],
    ]);
    expect(options.grants.bus).toEqual({ publish: ['a.b'] });
    expect(options.grants.secrets).toEqual(new Set(['KEY']));
    expect(options.grants.state).not.toBeNull();
    const allows = (url: string) => options.grants.http?.allowsOrigin(new URL(url));
    expect([allows('https://a.example'), allows('http://a.example'), allows('https://b.example')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(await readFile(join(dir, 'state.json'), 'utf8')).toBe('{\n  "n": 2\n}\n');
  });

  test.each([
    ['a secret without a name', ['--secret', 'hunter2'], 2, '--secret: NAME=VALUE was expected.'],
    ['a grant that there is not', ['--grant', 'all'], 2, '"all" came'],
    ['a state that is no object', ['--state', 'list.json'], 1, 'a JSON object of values by key'],
    ['a config that is no JSON', ['--config', '{'], 1, 'The config'],
    ['two operations', ['second'], 2, 'One operation was expected'],
  ])('%s is refused, and shows no secret', async (_title, argv, status, message) => {
    await writeFile(join(dir, 'list.json'), '[]');
    const done = await runToEnd(['call', 'x.gtpack', 'greet', ...argv], { cwd: dir });
    expect([done.status, done.err]).toEqual([status, expect.stringContaining(message)]);
    expect(done.err).not.toContain('hunter2');
  });

  test('a problem of the provider is status 1', async () => {
    const problem = { code: 'no_name', message: 'A name\u0007 is missing.', retryable: false };
    const rooms = { callPlugin: async () => reported({ kind: 'problem' as const, problem }) };
    const plain = await runToEnd(['call', 'x.gtpack', 'greet'], { cwd: dir, rooms });
    expect([plain.status, plain.out, plain.err]).toEqual([
      1,
      '',
      'The provider answered with the problem no_name: A name\\u{7} is missing.\n',
    ]);
    const json = await runToEnd(['call', 'x.gtpack', 'greet', '--json'], { cwd: dir, rooms });
    expect([json.status, JSON.parse(json.out)]).toMatchObject([1, { ok: false, problem }]);
  });

  test('a call that never ends is left when the user stops it', async () => {
    const rooms = { callPlugin: () => new Promise<never>(() => {}) };
    const desk = start(['call', 'x.gtpack', 'greet'], { cwd: dir, rooms });
    desk.stop('SIGINT');
    expect(await desk.status).toBe(130);
  });
});

describe('pack inspect', () => {
  const report: PackReport = {
    ok: true,
    model: 'pack-v1',
    pack_id: 'p',
    version: '1.0.0',
    kind: null,
    publisher: 'me',
    components: [{ id: 'c', kind: 'module', imports: [], exports: ['ingest'], size: 5 }],
    flows: [{ id: 'f', nodes: 2 }],
    schemas: [],
    remarks: ['The flow main is left out: It holds no nodes.'],
    requests: [
      { provider: 'c', capability: 'http', reason: 'to\u001b call' },
      { provider: 'c', capability: 'timers', reason: 'to wait', optional: true },
    ],
    sbom: { present: true, ok: true, problems: [] },
    signature: { present: false, ok: false, fingerprint: null, problems: [] },
    problems: [],
  };

  test('prints what the pack holds, without control characters', async () => {
    const rooms = { inspectPack: async () => report };
    const { status, out } = await runToEnd(['pack', 'inspect', 'p.gtpack'], { cwd: dir, rooms });
    expect([status, out.split('\n')]).toEqual([
      0,
      [
        'p.gtpack: p 1.0.0, by me',
        'model      pack-v1',
        'component  c: module, 5 bytes',
        '  exports  ingest',
        '  imports  nothing',
        'flow       f: 2 nodes',
        'requests   http for c: to\\u{1b} call',
        'requests   timers for c (optional): to wait',
        'sbom       matches every file',
        'signature  none',
        'remark     The flow main is left out: It holds no nodes.',
        'This host takes it.',
        '',
      ],
    ]);
    const json = await runToEnd(['pack', 'inspect', 'p.gtpack', '--json'], { cwd: dir, rooms });
    expect(JSON.parse(json.out)).toEqual(report);
  });

  test('a pack that the host would not take is status 1', async () => {
    const bad = {
      ...report,
      ok: false,
      problems: [{ code: 'manifest_unsupported', message: 'Another host.' }],
    };
    const rooms = { inspectPack: async () => bad };
    const { status, out } = await runToEnd(['pack', 'inspect', 'p.gtpack'], { cwd: dir, rooms });
    expect([status, out]).toEqual([
      1,
      expect.stringContaining('problem    Another host. (manifest_unsupported)'),
    ]);
  });
});

describe('pack build', () => {
  const buildWith = (builds: string[]) => ({
    buildPack: async (folder: string, options: { outFile: string; onProgress?: (step: never) => void }) => {
      builds.push(folder);
      options.onProgress?.({ kind: 'compile', provider: 'p', language: 'assemblyscript' } as never);
      await mkdir(join(dir, 'out'), { recursive: true });
      await writeFile(options.outFile, `built ${builds.length}`);
      return {
        file: options.outFile,
        id: 'p',
        version: '1.0.0',
        digest: 'd',
        bytes: 7,
        signer: null,
        providers: [],
        flows: [],
      };
    },
  });
  const argv = ['pack', 'build', 'a', 'b', '--out', 'out'];
  beforeEach(async () => {
    for (const name of ['a', 'b']) {
      await mkdir(join(dir, name, 'assembly'), { recursive: true });
      await writeFile(join(dir, name, 'assembly', 'index.ts'), name);
    }
  });

  test('builds each folder, and says what it built', async () => {
    const builds: string[] = [];
    const { status, out, err } = await runToEnd(argv, { cwd: dir, rooms: buildWith(builds) });
    expect([status, out, err]).toEqual([
      0,
      `Built ${join('out', 'a.gtpack')}: p 1.0.0, 7 bytes, not signed.\nBuilt ${join('out', 'b.gtpack')}: p 1.0.0, 7 bytes, not signed.\n`,
      '',
    ]);
    expect(builds).toEqual([join(dir, 'a'), join(dir, 'b')]);
  });

  test('shows its steps where someone watches', async () => {
    const { err } = await runToEnd(argv, { cwd: dir, rooms: buildWith([]), showsProgress: true });
    expect(err).toContain('Compiling p (assemblyscript) …');
  });

  test('--if-changed leaves out what would come out the same, and says nothing', async () => {
    const builds: string[] = [];
    const rooms = buildWith(builds);
    const again = [...argv, '--if-changed'];
    await runToEnd(again, { cwd: dir, rooms });
    expect(builds).toHaveLength(2);
    const quiet = await runToEnd(again, { cwd: dir, rooms });
    expect([quiet.status, quiet.out, quiet.err, builds.length]).toEqual([0, '', '', 2]);
    const json = await runToEnd([...again, '--json'], { cwd: dir, rooms });
    expect(JSON.parse(json.out).packs).toMatchObject([{ unchanged: true }, { unchanged: true }]);
    // Without the option, always.
    await runToEnd(argv, { cwd: dir, rooms });
    expect(builds).toHaveLength(4);
  });

  test.each([
    ['a source that changed', (folder: string) => writeFile(join(folder, 'assembly', 'index.ts'), 'other')],
    ['a new source', (folder: string) => writeFile(join(folder, 'new.ts'), '')],
    ['a source that is gone', (folder: string) => rm(join(folder, 'assembly', 'index.ts'))],
    ['a pack that is gone', () => rm(join(dir, 'out', 'a.gtpack'))],
    ['a pack that was changed', () => writeFile(join(dir, 'out', 'a.gtpack'), 'other')],
    ['a stamp that is gone', (folder: string) => rm(join(folder, 'build'), { recursive: true })],
    ['a stamp that was changed', (folder: string) => writeFile(join(folder, 'build', '.gtpack-build'), '{}')],
  ])('--if-changed builds again for %s', async (_title, change) => {
    const builds: string[] = [];
    const rooms = buildWith(builds);
    const again = [...argv, '--if-changed'];
    await runToEnd(again, { cwd: dir, rooms });
    await change(join(dir, 'a'));
    await runToEnd(again, { cwd: dir, rooms });
    expect(builds.slice(2)).toEqual([join(dir, 'a')]);
  });

  test('--if-changed builds again for another output folder', async () => {
    const builds: string[] = [];
    const rooms = buildWith(builds);
    await runToEnd([...argv, '--if-changed'], { cwd: dir, rooms });
    await mkdir(join(dir, 'out2'));
    await runToEnd(['pack', 'build', 'a', '--out', 'out2', '--if-changed'], { cwd: dir, rooms });
    expect(builds).toHaveLength(3);
  });

  test('a failed build leaves no stamp', async () => {
    const buildPack = async () => {
      throw new GtpackError('pack_compile_failed', 'It does not compile.');
    };
    const failed = await runToEnd([...argv, '--if-changed', '--json'], { cwd: dir, rooms: { buildPack } });
    expect([failed.status, JSON.parse(failed.out)]).toMatchObject([
      1,
      { error: { code: 'pack_compile_failed' } },
    ]);
    const builds: string[] = [];
    await runToEnd([...argv, '--if-changed'], { cwd: dir, rooms: buildWith(builds) });
    expect(builds).toHaveLength(2);
  });

  test('two folders of one name are refused: one would overwrite the other', async () => {
    await mkdir(join(dir, 'x', 'a'), { recursive: true });
    const builds: string[] = [];
    const { status, err } = await runToEnd(['pack', 'build', 'a', 'x/a', '--out', 'out'], {
      cwd: dir,
      rooms: buildWith(builds),
    });
    expect([status, builds, err]).toEqual([2, [], expect.stringContaining('would both become')]);
  });

  test('a folder that is not there is named', async () => {
    const { status, err } = await runToEnd(['pack', 'build', 'nowhere', '--out', 'out'], {
      cwd: dir,
      rooms: buildWith([]),
    });
    expect([status, err]).toEqual([1, 'nowhere: There is no folder here. Name a folder with a pack.yaml.\n']);
  });
});
