import { Buffer } from 'node:buffer';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Bundle } from '../../host/bundle/bundle.ts';
import { loadBundle } from '../../host/bundle/load.ts';
import { GtpackError } from '../../host/errors.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-signatures-'));
  await writeFile(join(dir, 'a.gtpack'), '');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A bundle whose only provider has these signatures, as flow YAML. */
async function load(
  signatures: string,
  environment: Readonly<Record<string, string>> = { KEY: 'hush', NEXT: 'hush-2' },
  http = '',
): Promise<Bundle> {
  const yaml = `http: { ${http} }
secrets: { KEY: env:KEY, NEXT: env:NEXT }
providers: { a: { pack: a.gtpack, signatures: ${signatures} } }`;
  await writeFile(join(dir, 'bundle.yaml'), yaml);
  return loadBundle(dir, environment);
}

async function problem(...given: Parameters<typeof load>): Promise<string> {
  try {
    await load(...given);
  } catch (error) {
    if (error instanceof GtpackError) return `${error.code}: ${error.problems[0].message}`;
    throw error;
  }
  return 'nothing';
}

describe("a provider's signatures", () => {
  test('are read into closed types, presets filled in', async () => {
    const bundle = await load(
      '{ github: { header: X-Hub-Signature-256, algorithm: sha256, secret: KEY }, slack: { secret: [KEY, NEXT], tolerance: 1m }, acme: { header: X-Acme, timestamp_header: X-Time, secret: KEY } }',
    );
    expect(bundle.tenants[0]?.providers[0]?.signatures).toEqual([
      {
        kind: 'hmac',
        name: 'github',
        secrets: ['KEY'],
        header: 'x-hub-signature-256',
        algorithm: 'sha256',
        encoding: 'hex',
        prefix: 'sha256=',
        payload: [{ kind: 'body' }],
        timestamp: null,
      },
      {
        kind: 'hmac',
        name: 'slack',
        secrets: ['KEY', 'NEXT'],
        header: 'x-slack-signature',
        algorithm: 'sha256',
        encoding: 'hex',
        prefix: 'v0=',
        payload: [
          { kind: 'text', text: 'v0:' },
          { kind: 'timestamp' },
          { kind: 'text', text: ':' },
          { kind: 'body' },
        ],
        timestamp: { header: 'x-slack-request-timestamp', toleranceMs: 60_000 },
      },
      {
        kind: 'hmac',
        name: 'acme',
        secrets: ['KEY'],
        header: 'x-acme',
        algorithm: 'sha256',
        encoding: 'hex',
        prefix: '',
        payload: [{ kind: 'timestamp' }, { kind: 'text', text: '.' }, { kind: 'body' }],
        timestamp: { header: 'x-time', toleranceMs: 300_000 },
      },
    ]);
    expect([...(bundle.tenants[0]?.secrets.keys() ?? [])]).toEqual(['KEY', 'NEXT']);
  });

  test('name secrets that the tenant has, each with its place', async () => {
    expect(await problem('{ github: { secret: [KEY, GONE] } }')).toBe(
      'secret_undeclared: The secret GONE is named here, and the tenant default has none of that name.',
    );
    expect(await problem('{ github: { secret: KEY } }', {})).toMatch(/^secret_unavailable: The secret KEY/);
  });

  test.each([
    ['github', 'hush\n', 'begins or ends with white space'],
    ['stripe', ' hush', 'begins or ends with white space'],
    ['standard-webhooks', 'hush', 'is not "whsec_"'],
    ['standard-webhooks', `whsec_${Buffer.alloc(23).toString('base64')}`, 'is not "whsec_"'],
    ['standard-webhooks', `whpk_${Buffer.alloc(31).toString('base64')}`, 'is not "whsec_"'],
    ['sendgrid', 'hush', 'is not the public key that SendGrid shows'],
    ['sendgrid', publicKey('P-384'), 'is not the public key that SendGrid shows'],
  ])('refuse a secret that %s is never signed with: %j', async (scheme, secret, message) => {
    const told = await problem(`{ ${scheme}: { secret: KEY } }`, { KEY: secret });
    expect(told).toMatch(/^secret_unusable: The secret KEY /);
    expect(told).toContain(message);
    expect(told).not.toContain(secret.trim());
  });

  test.each([
    ['standard-webhooks', `whsec_${Buffer.alloc(24).toString('base64')}`],
    ['standard-webhooks', Buffer.alloc(64).toString('base64')],
    ['standard-webhooks', 'whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='],
    ['sendgrid', publicKey('P-256')],
    ['sendgrid', `${publicKey('P-256')}\n`],
    ['github', "It's a Secret to Everybody"],
  ])('take a secret of %s: %j', async (scheme, secret) => {
    expect(await problem(`{ ${scheme}: { secret: KEY } }`, { KEY: secret })).toBe('nothing');
  });

  test('may let handshakes through that are named, and without signatures there is nothing to let through', async () => {
    const github = '{ github: { secret: KEY } }';
    const bundle = await load(`${github}, handshakes: [websub]`);
    expect(bundle.tenants[0]?.providers[0]?.handshakes).toEqual(['websub']);
    expect(await problem(`${github}, handshakes: [slack]`)).toContain('"websub" or "cloudevents"');
    expect(await problem(`${github}, handshakes: []`)).toContain('One at least was expected');
    const without = await problem('{ github: { secret: KEY } } }, b: { pack: a.gtpack, handshakes: [websub]');
    expect(without).toBe('bundle_invalid: Without `signatures` every request passes, handshakes too.');
  });

  test('of Twilio need the public URL', async () => {
    const twilio = '{ twilio: { secret: KEY } }';
    expect(await problem(twilio)).toMatch(/^bundle_invalid: Twilio signs the URL/);
    const bundle = await load(twilio, undefined, 'public_url: "https://Hooks.example.com:8443/in/"');
    expect(bundle.http.publicUrl).toBe('https://Hooks.example.com:8443/in');
  });

  test('of a provider that is not enabled read no secret', async () => {
    const yaml = `secrets: { KEY: env:KEY }
providers: { a: { pack: a.gtpack, enabled: false, signatures: { github: { secret: KEY } } }, b: { pack: a.gtpack } }`;
    await writeFile(join(dir, 'bundle.yaml'), yaml);
    const bundle = await loadBundle(dir, {});
    expect(bundle.warnings).toEqual([]);
  });
});

describe('the public URL', () => {
  test.each([
    '"hooks.example.com"',
    '"ftp://hooks.example.com"',
    '"https://"',
    '"https://hooks.example.com/?a=1"',
    '"https://hooks.example.com/#a"',
    '"https://hooks example.com"',
    '"https://ho\\\\oks.example.com"',
    '"HTTPS://hooks.example.com"',
    'true',
  ])('is no %s', async (url) => {
    const told = await problem('{ github: { secret: KEY } }', undefined, `public_url: ${url}`);
    expect(told).toMatch(/^bundle_invalid: http.public_url: a URL such as/);
  });

  test('with a password is refused, and the password not shown', async () => {
    const told = await problem(
      '{ github: { secret: KEY } }',
      undefined,
      'public_url: "https://me:hush-hush@hooks.example.com"',
    );
    expect(told).toBe(
      'bundle_invalid: http.public_url: A URL without user and password was expected, and without "@".',
    );
  });
});

function publicKey(namedCurve: string): string {
  const pair = generateKeyPairSync('ec', { namedCurve });
  return pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
}
