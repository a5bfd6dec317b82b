import { randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import { Script } from '../script.ts';
import { type Fake, fakeServer, openFake } from '../server.ts';
import {
  type Message,
  type MessageRules,
  messageError,
  messageResource,
  type TwilioError,
} from './message.ts';
import { TwilioWebhooks } from './webhooks.ts';

export interface TwilioOptions {
  /** `AC` and 32 hexadecimal digits. */
  readonly accountSid: string;
  readonly authToken: string;
  readonly senders: readonly string[];
  readonly messagingServices?: readonly string[];
  readonly blockedPrefixes?: readonly string[];
  readonly port?: number;
  /** Requests that are served before the answer is 429. Default: any number. */
  readonly maxRequests?: number;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** Hears of every message that was taken. */
  readonly onMessage?: (message: Message) => void;
}

/** Twilio's Messages API, and its callbacks. */
export interface FakeTwilio extends Fake {
  /** What was taken, oldest first. */
  readonly messages: readonly Message[];
  /** To be added to by tests: those who answered STOP. */
  readonly unsubscribed: Set<string>;
  readonly webhooks: TwilioWebhooks;
}

export async function openTwilio(options: TwilioOptions): Promise<FakeTwilio> {
  const { accountSid, authToken, senders, maxRequests = Number.POSITIVE_INFINITY, now = Date.now } = options;
  const { messagingServices = [], blockedPrefixes = [] } = options;
  const unsubscribed = new Set<string>();
  const rules: MessageRules = { senders, messagingServices, unsubscribed, blockedPrefixes };
  const messages: Message[] = [];
  const script = new Script();
  const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;
  let served = 0;
  const app = fakeServer({ maxBodyBytes: 1_000_000 });
  app.setNotFoundHandler((request, reply) => {
    const message = `The requested resource ${request.url} was not found`;
    return refuse(reply, { status: 404, code: 20404, message });
  });

  app.post<{ Params: { sid: string } }>('/2010-04-01/Accounts/:sid/Messages.json', async (request, reply) => {
    if (await script.take(reply)) return reply;
    if (served >= maxRequests)
      return refuse(reply, { status: 429, code: 20429, message: 'Too Many Requests' });
    served += 1;
    if (request.headers.authorization !== authorization || request.params.sid !== accountSid) {
      const how =
        request.headers.authorization === undefined ? 'No credentials provided' : 'invalid username';
      return refuse(reply, { status: 401, code: 20003, message: `Authentication Error - ${how}` });
    }
    if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(request.headers['content-type'] ?? '')) {
      return refuse(reply, { status: 415, code: 20015, message: 'Unsupported Media Type' });
    }
    const form = new URLSearchParams(String(request.body ?? ''));
    const error = messageError(form, rules, now());
    if (error !== undefined) return refuse(reply, error);
    const prefix = form.has('MediaUrl') ? 'MM' : 'SM';
    const message: Message = { sid: prefix + randomBytes(16).toString('hex'), accountSid, form };
    messages.push(message);
    options.onMessage?.(message);
    return reply
      .code(201)
      .header('content-type', 'application/json')
      .header('twilio-request-id', `RQ${randomBytes(16).toString('hex')}`)
      .send(JSON.stringify(messageResource(message, now())));
  });

  const fake = await openFake(app, script, options.port);
  return { ...fake, messages, unsubscribed, webhooks: new TwilioWebhooks(accountSid, authToken) };
}

function refuse(reply: FastifyReply, { status, code, message }: TwilioError): FastifyReply {
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  return reply
    .code(status)
    .header('content-type', 'application/json')
    .send(JSON.stringify({ code, message, more_info, status }));
}
