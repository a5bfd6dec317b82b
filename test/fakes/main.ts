import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { openSendgrid } from './sendgrid/sendgrid.ts';
import type { TakenMail } from './sendgrid/webhooks.ts';
import type { Message } from './twilio/message.ts';
import { openTwilio } from './twilio/twilio.ts';

/** `npm run fakes`: all fakes, for trying things by hand; whatever arrives is printed. */

const ACCOUNT = `AC${'0'.repeat(32)}`;
const USAGE = `npm run fakes -- [--sendgrid-port 8091] [--twilio-port 8092] [--events URL] [--public-key FILE]

  --events URL        where SendGrid's Event Webhook goes to: each email is reported as processed and delivered
  --public-key FILE   the key that it signs them by is written there, for the bundle's secrets: { NAME: "file:FILE" }`;

const { values } = parseArgs({
  options: {
    'sendgrid-port': { type: 'string', default: '8091' },
    'twilio-port': { type: 'string', default: '8092' },
    events: { type: 'string' },
    'public-key': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

if (values.help) {
  print(USAGE);
} else {
  try {
    await start();
  } catch (error) {
    process.stderr.write(
      `The fakes do not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

async function start(): Promise<void> {
  const sendgrid = await openSendgrid({
    apiKey: 'SG.fake',
    verifiedSenders: ['example.com'],
    port: Number(values['sendgrid-port']),
    onMail: (taken) => {
      print(mailText(taken));
      if (values.events !== undefined) void report(values.events, taken);
    },
  });
  const twilio = await openTwilio({
    accountSid: ACCOUNT,
    authToken: 'fake',
    senders: ['+15005550006'],
    port: Number(values['twilio-port']),
    onMessage: (message) => {
      print(smsText(message));
      const callback = message.form.get('StatusCallback');
      if (callback !== null) void follow(callback, message);
    },
  });

  const report = async (url: string, taken: TakenMail): Promise<void> => {
    for (const kind of ['processed', 'delivered']) {
      const events = sendgrid.webhooks.eventsOf(taken, kind);
      await told(`${kind} → ${url}`, sendgrid.webhooks.sendEvents(url, events));
    }
  };
  const follow = async (url: string, message: Message): Promise<void> => {
    for (const status of ['sent', 'delivered']) {
      await told(`${status} → ${url}`, twilio.webhooks.sendStatus(url, message, status));
    }
  };

  const keyFile = values['public-key'];
  if (keyFile !== undefined) await writeFile(keyFile, `${sendgrid.webhooks.publicKey}\n`);
  print(`SendGrid   ${sendgrid.url}   key SG.fake, senders at example.com
           webhooks are signed; the public key is
           ${sendgrid.webhooks.publicKey}
Twilio     ${twilio.url}   account ${ACCOUNT}, token fake, sender +15005550006
Ctrl+C ends them.
`);
  const stop = async (): Promise<void> => {
    await Promise.all([sendgrid.close(), twilio.close()]);
  };
  process.once('SIGINT', () => void stop());
  process.once('SIGTERM', () => void stop());
}

async function told(what: string, sent: Promise<{ readonly status: number }>): Promise<void> {
  try {
    const { status } = await sent;
    print(`  ${what}: ${status}`);
  } catch (error) {
    print(`  ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function mailText({ id, mail }: TakenMail): string {
  const lines = [`── email ${id}`, `From:    ${person(mail.from)}`];
  for (const { to, cc = [], bcc = [], subject } of mail.personalizations) {
    lines.push(`To:      ${to.map(person).join(', ')}`);
    if (cc.length > 0) lines.push(`Cc:      ${cc.map(person).join(', ')}`);
    if (bcc.length > 0) lines.push(`Bcc:     ${bcc.map(person).join(', ')}`);
    if (subject !== undefined) lines.push(`Subject: ${visible(subject)}`);
  }
  if (mail.subject !== undefined) lines.push(`Subject: ${visible(mail.subject)}`);
  if (mail.template_id !== undefined) {
    const data = mail.personalizations.map((each) => each.dynamic_template_data ?? {});
    lines.push(`Template ${mail.template_id} with ${JSON.stringify(data)}`);
  }
  for (const { type, value } of mail.content ?? []) lines.push('', `[${type}]`, visible(value));
  for (const { filename, type, content } of mail.attachments ?? [])
    lines.push(
      `Attached: ${visible(filename)} (${type ?? 'no type'}, ${Buffer.from(content, 'base64').length} bytes)`,
    );
  return `${lines.join('\n')}\n`;
}

function smsText({ sid, form }: Message): string {
  const from = form.get('From') ?? form.get('MessagingServiceSid') ?? '';
  const media = form.getAll('MediaUrl').map((url) => `Media:   ${visible(url)}`);
  return [
    `── SMS ${sid}`,
    `From:    ${from}`,
    `To:      ${form.get('To')}`,
    ...media,
    visible(form.get('Body') ?? ''),
    '',
  ].join('\n');
}

function person({ email, name }: { readonly email: string; readonly name?: string }): string {
  return visible(name === undefined ? email : `${name} <${email}>`);
}

/** What moves a terminal's cursor or turns its writing around is shown as its number. */
function visible(text: string): string {
  return text.replace(/[^\P{C}\n\t]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
