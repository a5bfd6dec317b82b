import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { postTo, type Reception } from '../server.ts';
import type { Mail } from './mail-shape.ts';

/** A message that the fake took. */
export interface TakenMail {
  /** As in `X-Message-Id`. */
  readonly id: string;
  readonly mail: Mail;
}

/** One event of the Event Webhook. */
export interface MailEvent {
  readonly email: string;
  /** Seconds since the Unix epoch. */
  readonly timestamp: number;
  readonly event: string;
  readonly sg_event_id: string;
  readonly sg_message_id: string;
  readonly [key: string]: unknown;
}

export interface InboundMail {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  readonly attachments?: readonly {
    readonly filename: string;
    readonly type: string;
    readonly bytes: Uint8Array;
  }[];
}

/** What each kind of event says besides (docs: Event Webhook Reference). */
const DETAILS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  processed: {},
  delivered: { response: '250 OK' },
  deferred: { response: '400 try again later', attempt: '5' },
  bounce: { reason: '500 unknown recipient', status: '5.0.0', type: 'bounce' },
  dropped: { reason: 'Bounced Address', status: '5.0.0' },
  open: { useragent: 'Mozilla/5.0', ip: '255.255.255.255', sg_machine_open: false },
  click: { useragent: 'Mozilla/5.0', ip: '255.255.255.255', url: 'https://www.example.com/' },
  spamreport: {},
  unsubscribe: {},
  group_unsubscribe: { asm_group_id: 10 },
  group_resubscribe: { asm_group_id: 10 },
};

/** The side of the vendor that calls its customers. Its key is new each time. */
export class SendgridWebhooks {
  /** Base64 of the DER, as the vendor's pages show it. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;
  readonly #now: () => number;

  /** @param now milliseconds since the Unix epoch */
  constructor(now: () => number) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.publicKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    this.#privateKey = privateKey;
    this.#now = now;
  }

  /** One event of that kind for each recipient. */
  eventsOf({ id, mail }: TakenMail, kind: string): MailEvent[] {
    const { categories = [], custom_args = {} } = mail;
    return mail.personalizations.flatMap((each) =>
      [...each.to, ...(each.cc ?? []), ...(each.bcc ?? [])].map(({ email }, index) => ({
        ...custom_args,
        ...each.custom_args,
        email,
        timestamp: Math.floor(this.#now() / 1000),
        'smtp-id': `<${id}@geopod-ismtpd-1>`,
        event: kind,
        ...(categories.length === 0 ? {} : { category: categories }),
        sg_event_id: randomBytes(16).toString('base64url'),
        sg_message_id: `${id}.recvd-fake-1.${index}`,
        ...DETAILS[kind],
      })),
    );
  }

  /** Posts events as the Event Webhook does: an array, an event a line, signed. */
  sendEvents(url: string, events: readonly MailEvent[]): Promise<Reception> {
    const body = `[${events.map((event) => JSON.stringify(event)).join(',\r\n')}]\r\n`;
    return postTo(url, body, { 'content-type': 'application/json', ...this.signatureOf(Buffer.from(body)) });
  }

  /** Posts an email as Inbound Parse does, signed. */
  sendInbound(url: string, mail: InboundMail): Promise<Reception> {
    const { type, bytes } = inboundBody(mail);
    return postTo(url, bytes, { 'content-type': type, ...this.signatureOf(bytes) });
  }

  signatureOf(body: Uint8Array): Record<string, string> {
    const timestamp = String(Math.floor(this.#now() / 1000));
    const signature = createSign('sha256').update(timestamp).update(body).sign(this.#privateKey, 'base64');
    return {
      'x-twilio-email-event-webhook-signature': signature,
      'x-twilio-email-event-webhook-timestamp': timestamp,
    };
  }
}

/** `multipart/form-data` with the fields that Inbound Parse documents, the attachments in the end. */
export function inboundBody(mail: InboundMail): { type: string; bytes: Uint8Array<ArrayBuffer> } {
  const boundary = `xYzZY${randomBytes(12).toString('hex')}`;
  const attachments = mail.attachments ?? [];
  const info = attachments.map(({ filename, type }, index) => [
    `attachment${index + 1}`,
    { filename, name: filename, type },
  ]);
  const texts: readonly (readonly [string, string | undefined])[] = [
    ['headers', `From: ${mail.from}\nTo: ${mail.to}\nSubject: ${mail.subject}\n`],
    ['dkim', '{@example.com : pass}'],
    ['to', mail.to],
    ['from', mail.from],
    ['text', mail.text],
    ['html', mail.html],
    ['sender_ip', '192.0.2.1'],
    ['spam_score', '0.1'],
    ['envelope', JSON.stringify({ to: [addressIn(mail.to)], from: addressIn(mail.from) })],
    ['attachments', String(attachments.length)],
    ['attachment-info', info.length === 0 ? undefined : JSON.stringify(Object.fromEntries(info))],
    ['subject', mail.subject],
    ['charsets', '{"to":"UTF-8","from":"UTF-8","subject":"UTF-8","text":"utf-8"}'],
    ['SPF', 'pass'],
  ];
  const parts: Buffer[] = [];
  for (const [name, value] of texts) {
    if (value === undefined) continue;
    parts.push(
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
    );
  }
  attachments.forEach(({ filename, type, bytes }, index) => {
    const disposition = `form-data; name="attachment${index + 1}"; filename="${filename}"`;
    parts.push(
      Buffer.from(`--${boundary}\r\nContent-Disposition: ${disposition}\r\nContent-Type: ${type}\r\n\r\n`),
      Buffer.from(bytes),
      Buffer.from('\r\n'),
    );
  });
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  return { type: `multipart/form-data; boundary=${boundary}`, bytes: new Uint8Array(Buffer.concat(parts)) };
}

function addressIn(text: string): string {
  return /<([^>]*)>/.exec(text)?.[1] ?? text;
}
