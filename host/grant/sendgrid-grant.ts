import type * as z from 'zod';
import type { Rate } from '../written/rate.ts';
import { mapping, text } from '../written/readers.ts';
import { type HttpGrant, list } from './http-grant.ts';
import {
  MAIL_PATTERN_FORM,
  type MailAddress,
  type MailPattern,
  mailMatches,
  readMailPattern,
} from './mail-address.ts';
import { secretName } from './secret-name.ts';
import { accountHttp, accountIssues, accountKeys, defaultRate, flag, originOf } from './vendor-account.ts';

const HOME = 'https://api.sendgrid.com';
const TEMPLATE = /^[A-Za-z0-9-]{1,64}$/;

const addresses = (what: string) => list(text(MAIL_PATTERN_FORM, readMailPattern), `a list of ${what}`);

/**
 * `sendgrid` of a provider's grants, as people write it. `key`, `from` and `to` are needed.
 *
 *     sendgrid:
 *       key: SENDGRID_KEY                      # name of the secret
 *       from: ["orders@example.com", "*@news.example.com"]
 *       to: ["*@customer.example", "*"]        # recipients: to, cc and bcc
 *       reply_to: ["help@example.com"]         # default: as from
 *       rate: 100/min                          # recipients; default 100/min
 *       templates: ["d-0123…"]                 # only these, and no content besides; default: any, and any content
 *       sandbox_only: true                     # SendGrid checks the messages and sends none; default false
 *       bypass: true                           # may pass over unsubscribes and bounces; default false
 *       base_url: https://api.eu.sendgrid.com  # default https://api.sendgrid.com
 *       networks: ["127.0.0.0/8"]              # networks that are not public; default: none
 *       timeout: 10s                           # of a call; default 10s
 */
export const sendgridGrantShape = mapping({
  key: secretName,
  from: addresses('senders'),
  to: addresses('recipients'),
  reply_to: addresses('addresses').optional(),
  templates: list(
    text('the id of a template, such as "d-0123456789abcdef0123456789abcdef",', (id) =>
      TEMPLATE.test(id) ? id : undefined,
    ),
    'a list of ids of templates',
  ).optional(),
  sandbox_only: flag.optional(),
  bypass: flag.optional(),
  ...accountKeys,
}).superRefine((file, context) => {
  for (const issue of accountIssues(file)) context.addIssue({ ...issue });
});

/** Which email a provider may send, and by which account. */
export class SendgridGrant {
  readonly from: readonly MailPattern[];
  readonly to: readonly MailPattern[];
  readonly replyTo: readonly MailPattern[];
  /** Recipients. */
  readonly rate: Rate;
  /** Null for any, and for content without one. */
  readonly templates: ReadonlySet<string> | null;
  readonly sandboxOnly: boolean;
  readonly bypass: boolean;
  /** Name of the secret that its key is. */
  readonly key: string;
  readonly http: HttpGrant;
  /** Of the vendor's API. */
  readonly origin: string;

  constructor(file: z.output<typeof sendgridGrantShape>) {
    this.from = file.from;
    this.to = file.to;
    this.replyTo = file.reply_to ?? file.from;
    this.rate = file.rate ?? defaultRate('100/min');
    this.templates = file.templates === undefined ? null : new Set(file.templates);
    this.sandboxOnly = file.sandbox_only ?? false;
    this.bypass = file.bypass ?? false;
    this.key = file.key;
    this.http = accountHttp(file, HOME, { secret: file.key, path: [] });
    this.origin = originOf(this.http);
  }

  allowsSender(address: MailAddress): boolean {
    return this.from.some((pattern) => mailMatches(pattern, address));
  }

  allowsRecipient(address: MailAddress): boolean {
    return this.to.some((pattern) => mailMatches(pattern, address));
  }

  allowsReplyTo(address: MailAddress): boolean {
    return this.replyTo.some((pattern) => mailMatches(pattern, address));
  }
}
