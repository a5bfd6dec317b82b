import type { Json } from '../../event/json.ts';
import { type MailAddress, readMailAddress } from '../../grant/mail-address.ts';
import { below, DocumentReader, entry, type JsonMap } from '../vendor/document.ts';
import { readHeaders } from './mail-headers.ts';
import { MailSettings } from './mail-settings.ts';

/** SendGrid's, for one request. */
const MAX_RECIPIENTS = 1000;
const MAX_PERSONALIZATIONS = 1000;
const MAX_REPLY_TO = 1000;
const MAX_ENTRIES = 1000;
const MAX_NAME_CHARACTERS = 320;
const MAX_TIME = 2 ** 40;

/**
 * In a name that is shown beside an address: what turns the direction of writing or shows nothing. The two joiners stay,
 * which scripts and emoji need.
 */
const MISLEADING =
  /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/u;

const KEYS = [
  ...[
    'personalizations',
    'from',
    'reply_to',
    'reply_to_list',
    'subject',
    'content',
    'attachments',
    'template_id',
  ],
  ...['headers', 'categories', 'custom_args', 'send_at', 'batch_id', 'asm', 'ip_pool_name'],
  ...['mail_settings', 'tracking_settings'],
];
const PERSONALIZATION_KEYS = [
  ...['to', 'cc', 'bcc', 'from', 'subject', 'headers', 'substitutions', 'dynamic_template_data'],
  ...['custom_args', 'send_at'],
];

/** An address, and the field that it stands in. */
export interface PlacedAddress {
  readonly path: string;
  readonly address: MailAddress;
}

/** A body of Mail Send, read strictly. */
export interface Mail {
  /** What is sent: every address in the form in which it was checked. */
  readonly document: JsonMap;
  readonly senders: readonly PlacedAddress[];
  readonly replyTo: readonly PlacedAddress[];
  /** Of all personalizations: to, cc and bcc. */
  readonly recipients: readonly PlacedAddress[];
  readonly templateId: string | null;
  readonly hasContent: boolean;
  /** Keys of `mail_settings` that pass over unsubscribes and bounces. */
  readonly bypasses: readonly string[];
}

const reader = new DocumentReader('sendgrid_invalid', 'The email');

/** @throws GtpackError `sendgrid_invalid` naming the field */
export function readMail(text: string): Mail {
  return new MailReading().read(reader.parse(text));
}

class MailReading {
  readonly #senders: PlacedAddress[] = [];
  readonly #replyTo: PlacedAddress[] = [];
  readonly #recipients: PlacedAddress[] = [];

  read(json: Json): Mail {
    const mail = reader.closed(json, '', KEYS);
    const personalizations = reader.list(mail.personalizations, 'personalizations', MAX_PERSONALIZATIONS);
    if (personalizations.length === 0) throw reader.fault('personalizations', 'is empty');
    const settings = new MailSettings(reader, mail.mail_settings, mail.tracking_settings);
    const document: Record<string, Json> = {
      ...mail,
      from: this.#address(mail.from, 'from', this.#senders),
      personalizations: personalizations.map((each, at) =>
        this.#personalization(each, entry('personalizations', at)),
      ),
      ...settings.document,
    };
    if (mail.reply_to !== undefined)
      document.reply_to = this.#address(mail.reply_to, 'reply_to', this.#replyTo);
    if (mail.reply_to_list !== undefined) {
      document.reply_to_list = reader
        .list(mail.reply_to_list, 'reply_to_list', MAX_REPLY_TO)
        .map((each, at) => this.#address(each, entry('reply_to_list', at), this.#replyTo));
    }
    checkCommon(mail, '');
    checkContent(mail);
    return {
      document,
      senders: this.#senders,
      replyTo: this.#replyTo,
      recipients: this.#recipients,
      templateId: mail.template_id === undefined ? null : reader.line(mail.template_id, 'template_id'),
      hasContent: mail.content !== undefined,
      bypasses: settings.bypasses,
    };
  }

  #personalization(json: Json, path: string): Json {
    const written = reader.closed(json, path, PERSONALIZATION_KEYS);
    const read: Record<string, Json> = { ...written };
    for (const key of ['to', 'cc', 'bcc']) {
      if (written[key] === undefined) continue;
      const place = below(path, key);
      read[key] = reader
        .list(written[key], place, MAX_RECIPIENTS)
        .map((each, at) => this.#recipient(each, entry(place, at)));
    }
    const to = written.to;
    if (!Array.isArray(to) || to.length === 0) throw reader.fault(below(path, 'to'), 'names nobody');
    if (written.from !== undefined)
      read.from = this.#address(written.from, below(path, 'from'), this.#senders);
    checkCommon(written, path);
    if (written.substitutions !== undefined) reader.map(written.substitutions, below(path, 'substitutions'));
    if (written.dynamic_template_data !== undefined) {
      reader.map(written.dynamic_template_data, below(path, 'dynamic_template_data'));
    }
    return read;
  }

  #recipient(json: Json, path: string): Json {
    if (this.#recipients.length >= MAX_RECIPIENTS) {
      throw reader.fault(path, `is one more than the ${MAX_RECIPIENTS} recipients that one email has`);
    }
    return this.#address(json, path, this.#recipients);
  }

  #address(json: Json | undefined, path: string, into: PlacedAddress[]): Json {
    const { email, name } = reader.closed(json, path, ['email', 'name']);
    const address = readMailAddress(reader.text(email, below(path, 'email')));
    if (address === undefined) {
      throw reader.fault(
        below(path, 'email'),
        'is no address: ASCII letters, digits and some signs before the "@", a domain after it, and no name, space or invisible character',
      );
    }
    into.push({ path: below(path, 'email'), address });
    if (name === undefined) return { email: address.text };
    const shown = reader.text(name, below(path, 'name'));
    if (shown.length > MAX_NAME_CHARACTERS || MISLEADING.test(shown)) {
      throw reader.fault(
        below(path, 'name'),
        `is longer than ${MAX_NAME_CHARACTERS} characters, or holds controls or invisible characters`,
      );
    }
    return { email: address.text, name: shown };
  }
}

/** What a message and a personalization both have. */
function checkCommon(written: JsonMap, path: string): void {
  const { subject, headers, custom_args, send_at } = written;
  if (subject !== undefined) reader.line(subject, below(path, 'subject'));
  if (headers !== undefined) readHeaders(reader, headers, below(path, 'headers'));
  if (custom_args !== undefined) reader.texts(custom_args, below(path, 'custom_args'));
  if (send_at !== undefined) reader.whole(send_at, below(path, 'send_at'), 0, MAX_TIME);
}

const ATTACHMENT_KEYS = ['content', 'filename', 'type', 'disposition', 'content_id'];

function checkContent({ content, attachments, categories, batch_id, ip_pool_name, asm }: JsonMap): void {
  for (const [at, each] of reader.list(content ?? [], 'content', MAX_ENTRIES).entries()) {
    const path = entry('content', at);
    const { type, value } = reader.closed(each, path, ['type', 'value']);
    reader.line(type, below(path, 'type'));
    reader.text(value, below(path, 'value'));
  }
  for (const [at, each] of reader.list(attachments ?? [], 'attachments', MAX_ENTRIES).entries()) {
    const path = entry('attachments', at);
    const { content: base64, ...lines } = reader.closed(each, path, ATTACHMENT_KEYS);
    reader.text(base64, below(path, 'content'));
    for (const [key, value] of Object.entries(lines)) reader.line(value, below(path, key));
  }
  for (const [at, each] of reader.list(categories ?? [], 'categories', MAX_ENTRIES).entries()) {
    reader.line(each, entry('categories', at));
  }
  if (batch_id !== undefined) reader.line(batch_id, 'batch_id');
  if (ip_pool_name !== undefined) reader.line(ip_pool_name, 'ip_pool_name');
  if (asm !== undefined) checkAsm(asm);
}

function checkAsm(json: Json): void {
  const { group_id, groups_to_display } = reader.closed(json, 'asm', ['group_id', 'groups_to_display']);
  reader.whole(group_id, 'asm.group_id', 0, Number.MAX_SAFE_INTEGER);
  for (const [at, each] of reader
    .list(groups_to_display ?? [], 'asm.groups_to_display', MAX_ENTRIES)
    .entries()) {
    reader.whole(each, entry('asm.groups_to_display', at), 0, Number.MAX_SAFE_INTEGER);
  }
}
