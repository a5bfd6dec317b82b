import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bundle } from '../../host/bundle/bundle.ts';
import { loadBundle } from '../../host/bundle/load.ts';
import type { Environment } from '../../host/bundle/read-secrets.ts';
import { secretReaders, secretsOf } from '../../host/bundle/secret-holders.ts';
import { GtpackError, type Problem } from '../../host/errors.ts';
import type { TenantId } from '../../host/event/names.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-secrets-'));
  await writeFile(join(dir, 'a.gtpack'), '');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function load(yaml: string, environment: Environment = {}): Promise<Bundle> {
  await writeFile(join(dir, 'bundle.yaml'), yaml);
  return loadBundle(dir, environment);
}

async function problems(yaml: string, environment: Environment = {}): Promise<readonly Problem[]> {
  const thrown = await load(yaml, environment).catch((error: unknown) => error);
  if (thrown instanceof GtpackError) return thrown.problems;
  throw new Error(`The bundle was not refused: ${String(thrown)}`);
}

async function keep(name: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await writeFile(join(dir, name), content);
  await chmod(join(dir, name), mode);
}

const provider = (grants: string) => `providers: { a: { pack: a.gtpack, grants: { ${grants} } } }`;
const reading = (source: string) =>
  `secrets: { KEY: ${JSON.stringify(source)} }\n${provider('secrets: [KEY]')}`;
const value = ({ tenants }: Bundle) => tenants[0]?.secrets.get('KEY')?.reveal();

describe('a secret', () => {
  test('comes from a variable of the environment, as it is', async () => {
    expect(value(await load(reading('env:MY_KEY'), { MY_KEY: ' hush\n' }))).toBe(' hush\n');
  });

  test.each([
    ['hush', 'hush'],
    ['hush\n', 'hush'],
    ['hush\r\n', 'hush'],
    ['hush\n\n', 'hush\n'],
    [' hush ', ' hush '],
  ])('comes from a file %j without the line break at its end', async (content, expected) => {
    await keep('key.txt', content);
    expect(value(await load(reading('file:key.txt')))).toBe(expected);
    expect(value(await load(reading(`file:${join(dir, 'key.txt')}`)))).toBe(expected);
  });

  test('of 64 KiB is taken, one byte more is not', async () => {
    const most = 'x'.repeat(64 * 1024);
    expect(value(await load(reading('env:KEY'), { KEY: most }))).toBe(most);
    expect(await problems(reading('env:KEY'), { KEY: `${most}x` })).toMatchObject([
      {
        message:
          'The secret KEY cannot be read: the variable KEY holds 65537 bytes; at most 65536 are taken.',
      },
    ]);
    await keep('key.txt', `${most}xxx`);
    expect(await problems(reading('file:key.txt'))).toMatchObject([{ code: 'secret_unavailable' }]);
  });

  const missing: readonly (readonly [title: string, source: string, message: string])[] = [
    ['a variable that is not set', 'env:NONE', 'the variable NONE is not there'],
    ['a variable with the name of a property', 'env:constructor', 'the variable constructor is not there'],
    ['a variable that is empty', 'env:EMPTY', 'the variable EMPTY is empty'],
    ['a file that is not there', 'file:none.txt', '/none.txt is not there'],
    ['an empty file', 'file:empty.txt', '/empty.txt is empty'],
    ['a file of one line break', 'file:line.txt', '/line.txt is empty'],
    ['a folder', 'file:folder', '/folder: A file was expected; this is none'],
    ['a file of bytes that are no text', 'file:bytes.txt', '/bytes.txt: The file is not UTF-8 text'],
  ];
  test.each(missing)('is refused with its line and a cure: %s', async (_title, source, message) => {
    await keep('empty.txt', '');
    await keep('line.txt', '\n');
    await keep('bytes.txt', Uint8Array.of(0xff, 0xfe));
    await mkdir(join(dir, 'folder'));
    const [problem, ...more] = await problems(reading(source), { EMPTY: '' });
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ code: 'secret_unavailable', line: 1, file: join(dir, 'bundle.yaml') });
    expect(problem?.message).toContain('The secret KEY cannot be read: the ');
    expect(problem?.message).toContain(message);
    expect(problem?.cure).toBeDefined();
  });

  const wrong = ['sk-live-hush', 'env:', 'env:sk-live-hush', 'ENV:KEY', 'file:', 'env: KEY', ''];
  test.each(wrong)('that stands in the bundle itself is refused and not shown: %j', async (source) => {
    const [problem] = await problems(reading(source));
    expect(problem).toMatchObject({ code: 'bundle_invalid', line: 1, column: 17 });
    expect(problem?.message).toContain('env:VARIABLE or file:PATH was expected');
    expect(problem?.message).not.toContain('hush');
  });

  test.each([
    ['secrets: sk-live-hush', 'A mapping of names to env:VARIABLE or file:PATH was expected.'],
    ['secrets: [sk-live-hush]', 'A mapping of names'],
    ['secrets: { KEY: { value: sk-live-hush } }', 'env:VARIABLE or file:PATH was expected'],
    ['secrets: { KEY: 12345 }', 'env:VARIABLE or file:PATH was expected'],
    ['secrets: { "a-b": env:A }', 'The name of a secret is 1 to 128 letters'],
  ])('in another form is refused and not shown: %s', async (secrets, message) => {
    const found = await problems(`${secrets}\n${provider('state: {}')}`);
    expect(found[0]?.message).toContain(message);
    expect(JSON.stringify(found)).not.toMatch(/hush|12345/);
  });

  test('that no grant names is not read, and the operator is told', async () => {
    const { warnings, tenants } = await load(`secrets: { KEY: env:NONE }\n${provider('state: {}')}`);
    expect(warnings).toEqual([
      'The secret KEY of the tenant default (line 1) is in no grant and checks no signature, so it is not read.',
    ]);
    expect(tenants[0]?.secrets.size).toBe(0);
  });

  test('of a disabled provider is neither read nor missed', async () => {
    const yaml = `secrets: { KEY: env:NONE }
providers: { a: { pack: a.gtpack, enabled: false, grants: { secrets: [KEY, OTHER] } }, b: { pack: a.gtpack } }`;
    expect((await load(yaml)).warnings).toEqual([]);
  });

  test.each([
    'secrets: [KEY]',
    'http: { hosts: [a.test], auth: KEY }',
    'http: { hosts: [a.test], auth: [{ secret: KEY }] }',
    'http: { hosts: [a.test], sign: { secret: KEY, scheme: standard-webhooks } }',
  ])('that is granted and not declared is refused with the line that adds it: %s', async (grants) => {
    expect(await problems(`env: dev\n${provider(grants)}`)).toEqual([
      {
        code: 'secret_undeclared',
        message: 'The secret KEY is named here, and the tenant default has none of that name.',
        cure: 'Add it to secrets in the bundle: KEY: env:KEY',
        file: join(dir, 'bundle.yaml'),
        line: 2,
        column: provider(grants).indexOf('KEY') + 1,
      },
    ]);
  });

  test('that no header can carry, or that cannot sign, is refused where it is granted', async () => {
    const yaml = `secrets: { KEY: env:KEY }
${provider('http: { hosts: [a.test], auth: KEY, sign: { secret: KEY, scheme: standard-webhooks } }')}`;
    const found = await problems(yaml, { KEY: 'two\nlines of hush' });
    expect(found).toMatchObject([
      {
        code: 'secret_unusable',
        line: 2,
        message: expect.stringContaining('The secret KEY holds characters'),
      },
      {
        code: 'secret_unusable',
        line: 2,
        message: expect.stringContaining('The secret KEY is not "whsec_"'),
      },
    ]);
    expect(JSON.stringify(found)).not.toContain('hush');
  });

  test.each([0o640, 0o604, 0o644, 0o622])('in a file of mode %o is read, with a warning', async (mode) => {
    await keep('key.txt', 'hush', mode);
    const bundle = await load(reading('file:key.txt'));
    expect(value(bundle)).toBe('hush');
    expect(bundle.warnings).toEqual([
      `The file ${join(dir, 'key.txt')} holds a secret and is open to other users: chmod 600 closes it.`,
    ]);
  });

  test('is not read where nobody gives an environment, and still has to be declared', async () => {
    await writeFile(join(dir, 'bundle.yaml'), reading('env:NONE'));
    expect((await loadBundle(dir)).tenants[0]?.secrets.size).toBe(0);
    await writeFile(join(dir, 'bundle.yaml'), provider('secrets: [KEY]'));
    await expect(loadBundle(dir)).rejects.toMatchObject({ code: 'secret_undeclared' });
  });

  test('shows in no print of the bundle', async () => {
    const bundle = await load(reading('env:KEY'), { KEY: 'hush' });
    expect(`${inspect(bundle, { depth: 9, showHidden: true })}${JSON.stringify(bundle)}`).not.toContain(
      'hush',
    );
  });
});

describe('secrets of several tenants', () => {
  const yaml = `secrets: { KEY: env:TOP }
flows: []
grants: { http: { hosts: [a.test], auth: KEY } }
tenants:
  acme:
    secrets: { KEY: env:ACME }
    providers: { a: { pack: a.gtpack, grants: { secrets: [KEY] } } }
  globex:
    providers: { a: { pack: a.gtpack } }
`;

  test('are their own, those at the top the tenant default’s', async () => {
    const bundle = await load(yaml, { TOP: 'of-default', ACME: 'of-acme' });
    const find = secretsOf(bundle);
    expect(find('default' as TenantId, 'KEY').reveal()).toBe('of-default');
    expect(find('acme' as TenantId, 'KEY').reveal()).toBe('of-acme');
    expect(() => find('globex' as TenantId, 'KEY')).toThrow('the tenant globex has no secret KEY');
    expect(secretReaders(bundle)).toEqual(['The provider acme/a reads KEY itself.']);
  });

  test('do not reach a tenant that declares none: the top is not shared', async () => {
    const shared = yaml.replace('    secrets: { KEY: env:ACME }\n', '');
    expect(await problems(shared, { TOP: 'of-default' })).toMatchObject([
      {
        code: 'secret_undeclared',
        line: 6,
        message: expect.stringContaining('the tenant acme has none'),
        cure: 'Add it to tenants.acme.secrets in the bundle: KEY: env:KEY',
      },
    ]);
  });

  test('of default stand in one place', async () => {
    const twice = 'secrets: { KEY: env:KEY }\ntenants: { default: { providers: { a: { pack: a.gtpack } } } }';
    expect(await problems(twice)).toMatchObject([
      { message: expect.stringContaining('Keep one of the two') },
    ]);
  });
});
