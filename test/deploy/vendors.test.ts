import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { callPlugin } from '../../host/deploy/call/call.ts';
import { vendorPlaces } from '../../host/deploy/doctor/vendor-places.ts';
import { grantsShape, parseGrants } from '../../host/grant/grants.ts';
import { buildPack } from '../../host/pack/build.ts';
import type { CallOptions, CallReport } from '../../host/running-host.ts';
import { repositoryPath } from '../sdk/guest.ts';

const ACCOUNT = `AC${'0'.repeat(32)}`;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-vendors-'));
  await buildPack(repositoryPath('test/guests/vendors-as'), { outFile: join(dir, 'vendors.gtpack') });
}, 60_000);
afterAll(() => rm(dir, { recursive: true }));

const MAIL = {
  personalizations: [{ to: [{ email: 'ann@example.com' }] }],
  from: { email: 'shop@example.com' },
};

describe('a call of a pack that sends', () => {
  const granted = {
    sendgrid: { key: 'KEY', from: ['shop@example.com'], to: ['*'] },
    twilio: { account: ACCOUNT, auth_token: 'KEY', from: ['Shop'], to: ['+41'] },
  };
  const call = (operation: string, input: object, more: Partial<CallOptions> = {}): Promise<CallReport> =>
    callPlugin(join(dir, 'vendors.gtpack'), operation, JSON.stringify(input), {
      log: () => undefined,
      provider: undefined,
      grants: parseGrants(grantsShape.parse(granted)),
      secrets: new Map([['KEY', 'x']]),
      state: new Map(),
      config: null,
      stubHttp: true,
      ...more,
    });

  test('is answered as the vendors would, and asks nobody', async () => {
    const mail = await call('sendgrid_send', MAIL);
    expect(mail.answer).toEqual({ kind: 'output', output: '{"status":202,"message_id":"stub"}' });
    expect(mail.effects).toMatchObject([
      { capability: 'sendgrid', target: 'shop@example.com to 1 at example.com', decision: 'done' },
    ]);
    const sms = await call('twilio_send', { to: '+41791234567', body: 'Hi' });
    expect(sms.answer).toMatchObject({
      kind: 'output',
      output: expect.stringContaining('"status":"queued"'),
    });
  });

  test('is denied what its grant does not allow, all the same', async () => {
    const { answer } = await call('twilio_send', { to: '+12425550123', body: 'Hi' });
    expect(answer).toMatchObject({ kind: 'problem', problem: { code: 'capability_denied' } });
  });

  test('needs the secret that its grant names', async () => {
    const { answer } = await call('sendgrid_send', MAIL, { secrets: new Map() });
    expect(answer).toMatchObject({ kind: 'problem', problem: { code: 'secret_undeclared' } });
  });
});

describe('the doctor', () => {
  const written = (env: string, grants: string) =>
    `env: ${env}\nproviders:\n  mail:\n    pack: vendors.gtpack\n    grants: { ${grants} }\nsecrets: { KEY: env:KEY }\n`;
  const account = `account: ${ACCOUNT}, auth_token: KEY, from: [Shop], to: ["+41"]`;

  test.each<[string, string, string[]]>([
    ['sendgrid: { key: KEY, from: ["a@example.com"], to: ["*"] }', 'the vendor', []],
    [
      'sendgrid: { key: KEY, from: ["a@example.com"], to: ["*"], base_url: "https://api.eu.sendgrid.com" }',
      'another region',
      [],
    ],
    [
      'sendgrid: { key: KEY, from: ["a@example.com"], to: ["*"], sandbox_only: true }',
      'a sandbox',
      ['The provider default/mail has SendGrid check its email and sends none.'],
    ],
    [
      `twilio: { ${account}, base_url: "http://127.0.0.1:8092", networks: ["127.0.0.0/8"] }`,
      'a fake',
      ['The provider default/mail sends its messages to http://127.0.0.1:8092, which is not Twilio.'],
    ],
  ])('of %s tells that it leads to %s', async (grants, _where, messages) => {
    for (const [env, severity] of [
      ['prod', 'warning'],
      ['dev', 'info'],
    ] as const) {
      await writeFile(join(dir, 'bundle.yaml'), written(env, grants));
      const findings = vendorPlaces(await loadBundle(dir, { KEY: 'x' }));
      expect(findings).toMatchObject(messages.map((message) => ({ severity, message, line: 3 })));
      expect(findings).toHaveLength(messages.length);
    }
  });
});
