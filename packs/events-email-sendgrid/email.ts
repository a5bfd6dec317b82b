import type { JsonObject, Mail, MailAddress, MailAttachment } from 'gtpack/sdk';
import { ProviderProblem } from 'gtpack/sdk';
import {
  oneLine,
  readAddress,
  readAddresses,
  type WrittenAddress,
  type WrittenAddresses,
} from './addresses.ts';
import { type Settings, settings } from './config.ts';
import { checkLimits } from './limits.ts';

/** The input of both operations, as their schemas have it; the host has checked it. */
export interface EmailInput {
  readonly to: WrittenAddresses;
  readonly cc?: WrittenAddresses;
  readonly bcc?: WrittenAddresses;
  readonly from?: WrittenAddress;
  readonly from_email?: string;
  readonly from_name?: string;
  readonly reply_to?: WrittenAddresses;
  readonly subject?: string;
  readonly text?: string;
  readonly html?: string;
  readonly template_id?: string;
  readonly dynamic_data?: JsonObject;
  readonly dynamic_template_data?: JsonObject;
  readonly attachments?: readonly MailAttachment[];
  readonly categories?: readonly string[];
  readonly custom_args?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly send_at?: number | string;
  readonly batch_id?: string;
  readonly asm?: { readonly group_id: number; readonly groups_to_display?: readonly number[] };
  readonly ip_pool_name?: string;
  readonly tracking_settings?: JsonObject;
  readonly sandbox?: boolean;
}

/** The body of Mail Send for the input of `send`. @throws ProviderProblem, with the field */
export function plainMail(input: EmailInput): Mail {
  const { text, html } = input;
  const content: { type: string; value: string }[] = [];
  // In this order, or SendGrid refuses it.
  if (text !== undefined) content.push({ type: 'text/plain', value: text });
  if (html !== undefined) content.push({ type: 'text/html', value: html });
  return { ...commonMail(input, undefined), content };
}

/** The body of Mail Send for the input of `send_template`. @throws ProviderProblem, with the field */
export function templateMail(input: EmailInput): Mail {
  const template_id = input.template_id ?? settings().template_id;
  if (template_id === undefined) {
    throw new ProviderProblem(
      'email_template_missing',
      'template_id: the id of a template was expected, here or in the config; none came.',
    );
  }
  const data = input.dynamic_data ?? input.dynamic_template_data;
  return { ...commonMail(input, data), template_id };
}

function commonMail(input: EmailInput, data: JsonObject | undefined): Mail {
  const own = settings();
  const to = readAddresses(input.to, 'to');
  const cc = readAddresses(input.cc, 'cc');
  const bcc = readAddresses(input.bcc, 'bcc');
  const replyTo = readAddresses(input.reply_to ?? own.reply_to, 'reply_to');
  const [onlyReply, ...otherReplies] = replyTo;
  checkLimits(input, [...to, ...cc, ...bcc]);
  const { attachments, categories, custom_args, headers, batch_id, asm, ip_pool_name, tracking_settings } =
    input;
  const sendAt = readSendAt(input.send_at);
  return {
    personalizations: [
      {
        to,
        ...(cc.length === 0 ? {} : { cc }),
        ...(bcc.length === 0 ? {} : { bcc }),
        ...(data === undefined ? {} : { dynamic_template_data: data }),
      },
    ],
    from: senderOf(input, own),
    ...(onlyReply === undefined
      ? {}
      : otherReplies.length === 0
        ? { reply_to: onlyReply }
        : { reply_to_list: replyTo }),
    ...(input.subject === undefined ? {} : { subject: oneLine(input.subject, 'subject') }),
    ...(attachments === undefined || attachments.length === 0
      ? {}
      : { attachments: attachments.map(checkedAttachment) }),
    ...given({ categories, custom_args, headers, batch_id, asm, ip_pool_name, tracking_settings }),
    ...(sendAt === undefined ? {} : { send_at: sendAt }),
    ...((input.sandbox ?? own.sandbox) ? { mail_settings: { sandbox_mode: { enable: true } } } : {}),
  };
}

function senderOf(input: EmailInput, own: Settings): MailAddress {
  if (input.from !== undefined) {
    if (input.from_email === undefined && input.from_name === undefined)
      return readAddress(input.from, 'from');
    throw new ProviderProblem(
      'email_sender_twice',
      'from: either from or from_email and from_name was expected; both came.',
    );
  }
  const email = input.from_email ?? own.from_email;
  if (email === undefined) {
    throw new ProviderProblem(
      'email_sender_missing',
      'from_email: a sender was expected, here or in the config; none came.',
    );
  }
  const name = input.from_name ?? (input.from_email === undefined ? own.from_name : undefined);
  return readAddress(name === undefined ? { email } : { email, name }, 'from_email');
}

function checkedAttachment(attachment: MailAttachment, index: number): MailAttachment {
  const place = `attachments[${index}]`;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(attachment.content) || attachment.content.length % 4 !== 0) {
    throw new ProviderProblem(
      'email_attachment_invalid',
      `${place}.content: base64 with padding was expected; something else came.`,
    );
  }
  oneLine(attachment.filename, `${place}.filename`);
  if (
    attachment.type !== undefined &&
    !/^[\w.+-]+\/[\w.+-]+(?:; ?[\w.+-]+=[\w.+"-]+)*$/.test(attachment.type)
  ) {
    throw new ProviderProblem(
      'email_attachment_invalid',
      `${place}.type: a media type such as application/pdf was expected.`,
    );
  }
  if (attachment.disposition === 'inline' && attachment.content_id === undefined) {
    throw new ProviderProblem(
      'email_attachment_invalid',
      `${place}.content_id: what is inline needs one, for the HTML to name it.`,
    );
  }
  return attachment;
}

/** Seconds since the Unix epoch. That it lies at most 72 hours ahead is SendGrid's to say: a provider has no clock. */
function readSendAt(written: number | string | undefined): number | undefined {
  if (written === undefined || typeof written === 'number') return written;
  const instant = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(written)
    ? Date.parse(written)
    : Number.NaN;
  if (!Number.isNaN(instant)) return Math.floor(instant / 1000);
  throw new ProviderProblem(
    'email_time_invalid',
    'send_at: seconds since 1970 or an instant such as 2026-11-24T09:00:00Z were expected; something else came.',
  );
}

/** Without what is not there. */
function given<T extends object>(parts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
