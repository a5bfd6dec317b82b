import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runToEnd } from '../cli/desk.ts';
import { openSendgrid } from '../fakes/sendgrid/sendgrid.ts';
import { flowOf, packPath, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

const KEY = 'SG.7f3a+9c/hush-of-the-account=';

async function written(folder: string): Promise<string> {
  const files = await readdir(join(folder, '.gtpack'), { recursive: true, withFileTypes: true });
  const texts = files
    .filter((file) => file.isFile() && !file.parentPath.includes('components'))
    .map((file) => readFile(join(file.parentPath, file.name), 'latin1'));
  return (await Promise.all(texts)).join('\n');
}

test('an email of a flow waits as long as its vendor asks, goes out once, and its key stands nowhere', async () => {
  const fake = await openSendgrid({ apiKey: KEY, verifiedSenders: ['example.com'] });
  onTestFinished(() => fake.close());
  fake.script.answer({
    status: 429,
    headers: { 'retry-after': '1' },
    body: { errors: [{ message: `slow, ${KEY}` }] },
  });
  const mail = {
    provider: 'mail',
    action: 'sendgrid_send',
    personalizations: [{ to: [{ email: '{{ event.payload.email }}' }] }],
    from: { email: 'shop@example.com' },
    subject: 'Order {{ string(event.payload.id) }}',
    content: [{ type: 'text/plain', value: 'Thank you' }],
  };
  const send = { id: 'send', type: 'event', config: mail, retry: { attempts: 3, backoff: '1ms' } };
  const grants = {
    sendgrid: {
      key: 'SENDGRID_KEY',
      from: ['shop@example.com'],
      to: ['*@example.com'],
      base_url: fake.url,
      networks: ['127.0.0.0/8'],
    },
    twilio: { account: `AC${'0'.repeat(32)}`, auth_token: 'SENDGRID_KEY', from: ['Shop'], to: ['+41'] },
  };
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      secrets: { SENDGRID_KEY: 'file:key.txt' },
      providers: {
        'events-webhook': { pack: packPath('events-webhook') },
        mail: { pack: packPath('vendors-as'), grants },
      },
      flows: ['flows/confirm.ygtc'],
    }),
    files: {
      'key.txt': KEY,
      'flows/confirm.ygtc': flowOf('confirm', [send]),
    },
    packs: ['events-webhook', 'vendors-as'],
  });
  const { url, bus, stop } = await startHere(folder, undefined, {});
  const { id } = (await post(webhook(url, 'default', 'order'), { id: 17, email: 'ann@example.com' })).json;
  const { json } = await bus.result(id);
  expect(json).toMatchObject({ status: 'ok', output: { status: 202, message_id: fake.mails[0]?.id } });
  const stranger = (await post(webhook(url, 'default', 'order'), { id: 18, email: 'ann@evil.example' })).json;
  expect((await bus.result(stranger.id)).json).toMatchObject({
    status: 'error',
    error: {
      code: 'capability_denied',
      message: expect.stringContaining('may not send email to evil.example'),
    },
  });
  await stop();
  expect(fake.mails.map(({ mail: { subject } }) => subject)).toEqual(['Order 17']);

  const audit = await runToEnd(['audit', folder, '--json'], { cwd: folder });
  const records = audit.out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const target = 'shop@example.com to 1 at example.com';
  // One that had come too early would have been answered by the host, and stand here, too.
  expect(records).toMatchObject([
    { provider: 'mail', capability: 'sendgrid', target, decision: 'failed', code: 'sendgrid_rate_limited' },
    { provider: 'mail', node: 'send', target, decision: 'done', code: null },
    { target: 'shop@example.com to 1 at evil.example', decision: 'denied', code: 'capability_denied' },
  ]);
  const everything = audit.out + (await written(folder));
  for (const form of [KEY, encodeURIComponent(KEY), Buffer.from(KEY).toString('base64').slice(0, -4)]) {
    expect(everything).not.toContain(form);
  }
  expect(everything).not.toContain('slow, SG');
});
