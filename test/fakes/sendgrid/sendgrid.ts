import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { Script } from '../script.ts';
import { type Fake, fakeServer, openFake } from '../server.ts';
import { mailErrors } from './mail-send.ts';
import type { Mail, MailError } from './mail-shape.ts';
import { SendgridWebhooks, type TakenMail } from './webhooks.ts';

const MAX_BODY_BYTES = 30_000_000;
const NOT_VERIFIED =
  'The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements';

export interface SendgridOptions {
  readonly apiKey: string;
  /** Addresses and domains that may be in `from`. */
  readonly verifiedSenders: readonly string[];
  readonly port?: number;
  /** Requests that are served before the answer is 429. Default: any number. */
  readonly maxRequests?: number;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Hears of every message that was taken, but for those in sandbox mode. */
  readonly onMail?: (taken: TakenMail) => void;
}

/** SendGrid's v3 Mail Send, and its webhooks. */
export interface FakeSendgrid extends Fake {
  /** What was taken, oldest first, without what was sent in sandbox mode. */
  readonly mails: readonly TakenMail[];
  /** What was checked and thrown away. */
  readonly sandboxed: readonly Mail[];
  readonly webhooks: SendgridWebhooks;
}

export async function openSendgrid(options: SendgridOptions): Promise<FakeSendgrid> {
  const { apiKey, verifiedSenders, maxRequests = Number.POSITIVE_INFINITY, now = Date.now } = options;
  const mails: TakenMail[] = [];
  const sandboxed: Mail[] = [];
  const script = new Script();
  let served = 0;
  const app = fakeServer({ maxBodyBytes: MAX_BODY_BYTES });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const isLarge = error.statusCode === 413;
    return refuse(reply, isLarge ? 413 : 500, isLarge ? 'Payload Too Large' : error.message);
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'Not Found'));

  app.post('/v3/mail/send', async (request, reply) => {
    if (await script.take(reply)) return reply;
    if (served >= maxRequests) {
      reply.headers({
        'x-ratelimit-limit': String(maxRequests),
        'x-ratelimit-remaining': '0',
        'x-ratelimit-reset': String(Math.floor(now() / 1000) + 1),
      });
      return refuse(reply, 429, 'too many requests');
    }
    served += 1;
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      return refuse(reply, 401, 'The provided authorization grant is invalid, expired, or revoked');
    }
    if (!/^application\/json(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
      return refuse(reply, 415, 'Content-Type should be application/json.');
    }
    const body = jsonOf(request.body);
    const errors = mailErrors(body, now() / 1000);
    if (errors.length > 0) return send(reply, 400, { errors });
    const mail = body as Mail;
    if (!isVerified(mail.from.email, verifiedSenders)) return refuse(reply, 403, NOT_VERIFIED, 'from');
    // Checked and not sent: 200, and no id (docs: Sandbox Mode).
    if (mail.mail_settings?.sandbox_mode?.enable === true) {
      sandboxed.push(mail);
      return reply.code(200).send();
    }
    const taken = { id: randomBytes(16).toString('base64url'), mail };
    mails.push(taken);
    options.onMail?.(taken);
    return reply.code(202).header('x-message-id', taken.id).send();
  });

  const fake = await openFake(app, script, options.port);
  return { ...fake, mails, sandboxed, webhooks: new SendgridWebhooks(now) };
}

function isVerified(email: string, senders: readonly string[]): boolean {
  const lower = email.toLowerCase();
  return senders.some((sender) => lower === sender || lower.endsWith(`@${sender}`));
}

function refuse(
  reply: FastifyReply,
  status: number,
  message: string,
  field: string | null = null,
): FastifyReply {
  return send(reply, status, { errors: [{ message, field, help: null }] });
}

function send(
  reply: FastifyReply,
  status: number,
  body: { readonly errors: readonly MailError[] },
): FastifyReply {
  return reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body));
}

function jsonOf(body: unknown): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    return undefined;
  }
}
