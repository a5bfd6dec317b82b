import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { hostRooms } from '../../host/cli/rooms.ts';
import { encodeManifest } from '../../host/pack/manifest.ts';
import { packOf, sampleFiles, sampleProvider, signedSample } from '../pack/fixture/sample-pack.ts';
import { coreModule } from '../pack/fixture/wasm.ts';
import { type DeskOptions, runToEnd } from './desk.ts';

let dir = '';
let bundleDir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'install-'));
  bundleDir = join(dir, 'bundle');
  await mkdir(bundleDir);
  await writeFile(join(dir, 'shop.gtpack'), await packOf(sampleFiles()));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const install = (argv: readonly string[], options: Partial<DeskOptions> = {}) =>
  runToEnd(['install', 'shop.gtpack', '--bundle', 'bundle', ...argv], {
    cwd: dir,
    rooms: hostRooms,
    ...options,
  });
const bundleText = () => readFile(join(bundleDir, 'bundle.yaml'), 'utf8');
const lockText = () => readFile(join(bundleDir, 'gtpack.lock'), 'utf8');

/** The sample in another version, asking for other things. */
async function sampleOf(
  version: string,
  imports: readonly ['http' | 'state' | 'bus' | 'sendgrid' | 'twilio' | 'timers', string, 'optional'?][],
): Promise<Uint8Array> {
  const files = sampleFiles();
  const requests = imports.map(([capability, , optional]) => ({
    ...{ capability, reason: `uses ${capability}` },
    ...(optional === undefined ? {} : { optional: true }),
  }));
  const provider = { ...sampleProvider, requests };
  files.set(
    'manifest.cbor',
    encodeManifest({ id: 'acme.shop', version, publisher: 'Acme', providers: [provider] }),
  );
  files.set(
    'components/hook.wasm',
    coreModule({
      imports: imports.map(([name, fn]) => [`gtpack:plugin/${name}@0.1.0`, fn]),
      exports: ['ingest'],
    }),
  );
  return packOf(files);
}

describe('a first pack', () => {
  test('is put into a folder without a bundle: pack, bundle and lock, and nothing else', async () => {
    const { status, out, err } = await install(['--grant', 'http=api.example.com', '--yes']);
    expect([status, out]).toEqual([
      0,
      `Installed acme.shop 1.2.3 as hook in ${join('bundle', 'bundle.yaml')}, granted http.\n`,
    ]);
    expect(err).toContain('asks for http (new, not granted): asks the shop for the order');
    const [file = ''] = await readdir(join(bundleDir, '.gtpack', 'store'));
    expect(await bundleText()).toBe(
      `providers:\n  hook:\n    pack: .gtpack/store/${file}\n    grants:\n      http: { hosts: [ api.example.com ] }\n`,
    );
    expect(await lockText()).toContain(
      `digest: blake3:${file.replace('.gtpack', '')}\n      grants:\n        - http`,
    );
    expect((await readdir(bundleDir)).sort()).toEqual(['.gtpack', 'bundle.yaml', 'gtpack.lock']);
    await expect(loadBundle(bundleDir)).resolves.toMatchObject({ tenants: [{ id: 'default' }] });
  });

  test('whose code needs what was not granted is refused with the grant, and nothing is written', async () => {
    const { status, err } = await install(['--yes']);
    expect(status).toBe(1);
    expect(err).toContain('The provider hook needs the capability "http"');
    expect(err).toContain(
      'To grant it, add to the provider: grants: { http: { hosts: ["api.example.com"] } }',
    );
    expect(err).not.toContain('.tmp');
    expect(await readdir(bundleDir)).toEqual(['.gtpack']);
  });

  test('that asks for something optional is installed without it, and says what it does without', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await sampleOf('1.2.3', [['timers', 'set', 'optional']]));
    const { status, out, err } = await install(['--yes']);
    expect([status, out]).toEqual([0, expect.stringContaining('granted nothing.')]);
    expect(err).toContain('asks for timers (new, optional, not granted): uses timers');
    expect(err).toContain('Not granted, and not needed to start: timers. To grant: --grant timers=TYPE');
    const again = await install(['--grant', 'timers=reminder.due', '--yes', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({
      providers: [{ grants: ['timers'], requests: [{ capability: 'timers', optional: true }] }],
    });
  });

  test('reports as one document', async () => {
    const { out } = await install(['--grant', 'http=a.example', '--yes', '--json']);
    expect(JSON.parse(out)).toMatchObject({
      tenant: 'default',
      pack: { id: 'acme.shop', version: '1.2.3', publisher: 'Acme', fingerprint: null },
      providers: [
        {
          id: 'hook',
          trust: 'unchecked',
          grants: ['http'],
          requests: [{ capability: 'http', new: true }],
          previous: null,
        },
      ],
    });
  });

  test('goes to another tenant, under another name', async () => {
    await install(['--tenant', 'acme', '--provider', 'shop', '--grant', 'http=a.example', '--yes']);
    expect(await bundleText()).toContain('tenants:\n  acme:\n    providers:\n      shop:\n');
    expect(await lockText()).toContain('acme:\n    shop:\n');
  });
});

describe('asking', () => {
  test('nobody is there: refused, unless --yes says that nothing has to be asked', async () => {
    const { status, err } = await install([]);
    expect([status, await readdir(bundleDir)]).toEqual([2, []]);
    expect(err).toContain('run it again with --yes');
  });

  test('asks for each grant and for the whole, and takes no for an answer', async () => {
    const lines = (...answers: string[]) => ({
      asks: true,
      stdin: answers.map((answer) => Buffer.from(`${answer}\n`)),
    });
    const no = await install([], lines('api.example.com', 'n'));
    expect([no.status, await readdir(bundleDir)]).toEqual([1, []]);
    expect(no.err).toContain('Nothing was installed.');
    const yes = await install([], lines('api.example.com, b.example', 'y'));
    expect([yes.status, yes.err]).toEqual([0, expect.stringContaining('Grant http: which hosts?')]);
    expect(await bundleText()).toContain('http: { hosts: [ api.example.com, b.example ] }');
  });
});

describe('a pack that sends email or messages', () => {
  const ACCOUNT = `AC${'0'.repeat(32)}`;
  const lines = (...answers: string[]) => ({
    asks: true,
    stdin: answers.map((answer) => Buffer.from(`${answer}\n`)),
  });
  const offer = async (...imports: ['sendgrid' | 'twilio', string][]) =>
    writeFile(join(dir, 'shop.gtpack'), await sampleOf('1.0.0', imports));

  test('is asked about: senders, recipients, key, rate, place; and what is granted is shown before it is agreed', async () => {
    await offer(['sendgrid', 'send']);
    const answers = [
      'orders@example.com, *@news.example.com',
      '*',
      '',
      '10/min',
      'https://api.eu.sendgrid.com',
      'y',
    ];
    const { status, err } = await install([], lines(...answers));
    expect([status, err]).toEqual([0, expect.stringContaining('Grant sendgrid: from which senders?')]);
    expect(err).toContain(
      'grants sendgrid: email from orders@example.com, *@news.example.com to *; recipients at most 10/min; with the key SENDGRID_KEY; at https://api.eu.sendgrid.com',
    );
    expect(err).toContain('The bundle reads SENDGRID_KEY from the environment now (secrets); set it where');
    expect(await bundleText()).toContain(
      'sendgrid: { from: [ orders@example.com, "*@news.example.com" ], to: [ "*" ], key: SENDGRID_KEY, rate: 10/min, base_url: https://api.eu.sendgrid.com }',
    );
    expect(await bundleText()).toContain('secrets:\n  SENDGRID_KEY: env:SENDGRID_KEY\n');
    await expect(loadBundle(bundleDir, { SENDGRID_KEY: 'x' })).resolves.toMatchObject({ warnings: [] });
  });

  test('is asked about numbers and countries, and a secret that the bundle has stays where it comes from', async () => {
    await offer(['twilio', 'send']);
    await writeFile(
      join(bundleDir, 'bundle.yaml'),
      'providers:\n  old: { pack: gone.gtpack, enabled: false }\nsecrets:\n  TWILIO_TOKEN: file:token.txt # ours\n',
    );
    const { status, err } = await install([], lines('+15005550006', '+41 +44', ACCOUNT, '', '', '', '', 'y'));
    expect([status, err]).toEqual([0, expect.stringContaining('  to which countries?')]);
    expect(err).toContain(
      `grants twilio: messages from +15005550006 to +41, +44; at most 60/min; by the account ${ACCOUNT} with the key TWILIO_TOKEN; at https://api.twilio.com`,
    );
    expect(await bundleText()).toContain('TWILIO_TOKEN: file:token.txt # ours');
    expect(err).not.toContain('from the environment');
  });

  test('is denied where nobody says who sends, and refused as its code needs it', async () => {
    await offer(['sendgrid', 'send']);
    const { status, err } = await install([], lines('', 'y'));
    expect(status).toBe(1);
    expect(err).toContain('sendgrid: { key: SENDGRID_KEY, from: ["orders@example.com"]');
  });

  test.each([
    [
      'from what is no address',
      'sendgrid={ key: K, from: [shop], to: ["*"] }',
      'sendgrid.from.0: an address such as',
    ],
    ['in words', 'sendgrid=orders@example.com', 'a capability with what it may reach was expected'],
    ['without an account', 'twilio={ from: ["+15005550006"], to: ["+41"], auth_token: T }', 'twilio.account'],
  ])('is not granted %s', async (_title, grant, message) => {
    await offer(['sendgrid', 'send'], ['twilio', 'send']);
    const { status, err } = await install(['--yes', '--grant', grant]);
    expect([status, err]).toEqual([2, expect.stringContaining(message)]);
  });

  test('shows at an upgrade what it is granted already', async () => {
    await offer(['sendgrid', 'send']);
    const grant = 'sendgrid={ key: K, from: [a@example.com], to: ["*"], sandbox_only: true }';
    await install(['--yes', '--grant', grant]);
    await writeFile(join(dir, 'shop.gtpack'), await sampleOf('2.0.0', [['sendgrid', 'send']]));
    const { status, err } = await install(['--yes']);
    expect(status).toBe(0);
    expect(err).toContain(
      'is granted email from a@example.com to *; recipients at most 100/min; checked by SendGrid and not sent; with the key K; at https://api.sendgrid.com',
    );
  });
});

describe('an upgrade', () => {
  beforeEach(async () => {
    await writeFile(
      join(bundleDir, 'bundle.yaml'),
      '# the shop\nproviders:\n  hook: # ours\n    pack: ../shop.gtpack\n    config: { a: 1 } # kept\n    grants: { http: { hosts: [a.example], methods: [POST] } }\n',
    );
    await install(['--yes']);
  });

  test('keeps comments, config and grants, and shows what is new and what is gone', async () => {
    await writeFile(join(dir, 'shop.gtpack'), await sampleOf('2.0.0', [['state', 'get']]));
    const { status, err } = await install(['--yes', '--grant', 'state']);
    expect(status).toBe(0);
    expect(err).toContain('in place of version 1.2.3');
    expect(err).toContain('asks no more for http');
    expect(err).toContain('asks for state (new, not granted)');
    const text = await bundleText();
    expect(text).toMatch(/^# the shop\nproviders:\n {2}hook:\s+# ours\n/);
    expect(text).toContain('config: { a: 1 } # kept');
    expect(text).toContain('http: { hosts: [ a.example ], methods: [ POST ] }');
  });

  test('never widens: what it asks for and was not granted is refused, and the old pack stays', async () => {
    const before = [await bundleText(), await lockText()];
    await writeFile(
      join(dir, 'shop.gtpack'),
      await sampleOf('2.0.0', [
        ['http', 'send'],
        ['bus', 'publish'],
      ]),
    );
    const { status, err } = await install(['--yes']);
    expect([status, err]).toEqual([1, expect.stringContaining('needs the capability "bus"')]);
    expect([await bundleText(), await lockText()]).toEqual(before);
  });
});

describe('a signer', () => {
  beforeEach(async () => {
    const { pack } = await signedSample();
    await writeFile(join(dir, 'shop.gtpack'), pack);
    await writeFile(
      join(bundleDir, 'bundle.yaml'),
      'trust: []\nproviders:\n  other: { pack: ../shop.gtpack, enabled: false }\n',
    );
  });

  test('whom the bundle does not trust installs nothing', async () => {
    const { status, err } = await install(['--grant', 'http=a.example', '--yes']);
    expect([status, err]).toEqual([1, expect.stringContaining('and the bundle trusts others')]);
    await expect(lockText()).rejects.toThrow('ENOENT');
  });

  test('is trusted from now on with --trust-signer, and its packs start', async () => {
    const { status, out } = await install(['--grant', 'http=a.example', '--yes', '--trust-signer', '--json']);
    expect(status).toBe(0);
    const { pack, providers } = JSON.parse(out);
    expect(providers).toMatchObject([{ trust: 'trusted' }]);
    expect((await loadBundle(bundleDir)).trust).toEqual(new Set([pack.fingerprint]));
  });

  test('that is the first to be trusted shuts the others out, and the operator is told', async () => {
    await writeFile(
      join(bundleDir, 'bundle.yaml'),
      'providers:\n  other: { pack: ../shop.gtpack, enabled: false }\n',
    );
    const { status, err } = await install(['--grant', 'http=a.example', '--yes', '--trust-signer']);
    expect([status, err]).toEqual([0, expect.stringContaining('of the signers in its trust only.')]);
  });

  test('does not matter to a provider that is exempt', async () => {
    const { status, out } = await install([
      '--grant',
      'http=a.example',
      '--yes',
      '--allow-unsigned',
      '--json',
    ]);
    expect([status, JSON.parse(out).providers[0].trust]).toEqual([0, 'exempt']);
    expect(await bundleText()).toContain('allow_unsigned: true');
  });
});

describe('what cannot be installed is refused before anything is written', () => {
  test.each([
    [
      'a grant that the pack does not ask for',
      ['--grant', 'bus=a.b'],
      2,
      'does not ask for it. It asks for http',
    ],
    ['a grant that there is not', ['--grant', 'everything'], 2, '"everything" came'],
    ['a grant without what it reaches', ['--grant', 'http'], 2, '"http" came'],
    ['a grant of no sense', ['--grant', 'http=:::'], 2, '--grant: '],
    ['a grant as YAML of no sense', ['--grant', 'http={ hosts: 7 }'], 2, 'a list of hosts was expected'],
    ['a grant given twice', ['--grant', 'http=a.example', 'http={ hosts: [b.example] }'], 2, 'a second time'],
    ['a name that is none', ['--provider', '../x'], 2, 'is no name of a provider'],
    ['a tenant that is none', ['--tenant', 'A.B'], 1, 'tenant'],
  ])('%s', async (_title, argv, status, message) => {
    const done = await install([...argv, '--yes']);
    expect([done.status, done.err]).toEqual([status, expect.stringContaining(message)]);
    expect(await readdir(bundleDir)).toEqual([]);
  });

  test('a bundle that is not valid', async () => {
    await writeFile(join(bundleDir, 'bundle.yaml'), 'provider: {}\n');
    const { status, err } = await install(['--grant', 'http=a.example', '--yes']);
    expect([status, err]).toEqual([1, expect.stringContaining('Unknown key "provider"')]);
    expect(await readdir(bundleDir)).toEqual(['bundle.yaml']);
  });
});
