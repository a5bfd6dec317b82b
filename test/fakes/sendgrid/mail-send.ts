import {
  checkAddress,
  checkHeaders,
  checkKeys,
  checkSendAt,
  type Fields,
  isFields,
  type Kind,
  kindOf,
  type MailError,
  type Tell,
} from './mail-shape.ts';
import { checkPersonalizations } from './personalizations.ts';

/**
 * The rules of `POST /v3/mail/send` (docs.sendgrid.com/api-reference/mail-send: mail-send, errors, limitations). What the
 * vendor documents as refused is refused, in its shape: `{ errors: [{ message, field, help }] }`.
 */

const HELP = 'http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#';
const MAIL_KEYS: Readonly<Record<string, Kind>> = {
  personalizations: 'array',
  from: 'object',
  reply_to: 'object',
  reply_to_list: 'array',
  subject: 'string',
  content: 'array',
  attachments: 'array',
  template_id: 'string',
  headers: 'object',
  categories: 'array',
  custom_args: 'object',
  send_at: 'integer',
  batch_id: 'string',
  asm: 'object',
  ip_pool_name: 'string',
  mail_settings: 'object',
  tracking_settings: 'object',
};
const ATTACHMENT_KEYS: Readonly<Record<string, Kind>> = {
  content: 'string',
  type: 'string',
  filename: 'string',
  disposition: 'string',
  content_id: 'string',
};

/** Every fault of a body, in the vendor's order of fields; none for one that is taken. */
export function mailErrors(body: unknown, nowSeconds: number): MailError[] {
  const errors: MailError[] = [];
  const tell = (field: string, message: string, anchor = 'message'): void => {
    errors.push({ message, field, help: HELP + anchor });
  };
  if (!isFields(body)) return [{ message: 'Bad Request', field: null, help: null }];
  checkKeys(body, MAIL_KEYS, '', tell);
  checkPersonalizations(body, nowSeconds, tell);
  checkAddress(body.from, 'from', tell, FROM_MISSING);
  checkReplies(body, tell);
  checkContent(body, tell);
  checkAttachments(body.attachments, tell);
  checkHeaders(body.headers, 'headers', tell);
  checkCategories(body.categories, tell);
  checkCustomArgs(body, tell);
  checkSendAt(body.send_at, 'send_at', nowSeconds, tell);
  return errors;
}

const FROM_MISSING =
  'The from object must be provided for every email send. It is an object that requires the email parameter, but may also contain a name parameter.  e.g. {"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : "Example Recipient"}.';

function checkReplies({ reply_to, reply_to_list }: Fields, tell: Tell): void {
  if (reply_to !== undefined && reply_to_list !== undefined) {
    tell('reply_to', 'The reply_to and reply_to_list fields are mutually exclusive.', 'message.reply_to');
  }
  const missing = 'The reply_to object, when included, requires a valid email.';
  if (reply_to !== undefined) checkAddress(reply_to, 'reply_to', tell, missing);
  if (Array.isArray(reply_to_list)) {
    reply_to_list.forEach((each, at) => {
      checkAddress(each, `reply_to_list.${at}`, tell, missing);
    });
  }
}

function checkContent({ content, template_id }: Fields, tell: Tell): void {
  if (!Array.isArray(content) || content.length === 0) {
    if (template_id === undefined) {
      tell(
        'content',
        'Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block. We typically suggest both text/plain and text/html blocks are included, but only one block is required.',
        'message.content',
      );
    }
    return;
  }
  const types: unknown[] = [];
  for (const [index, each] of content.entries() as Iterable<[number, unknown]>) {
    const path = `content.${index}`;
    if (!isFields(each)) {
      tell(path, `Invalid type. Expected: object, given: ${kindOf(each)}.`);
      continue;
    }
    checkKeys(each, { type: 'string', value: 'string' }, `${path}.`, tell);
    types.push(each.type);
    if (typeof each.type !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(each.type)) {
      tell(
        `${path}.type`,
        'The content type must be a valid MIME type, such as text/plain.',
        'message.content.type',
      );
    }
    if (typeof each.value !== 'string' || each.value === '') {
      tell(
        `${path}.value`,
        'The content value must be a string at least one character in length.',
        'message.content.value',
      );
    }
  }
  const plain = types.indexOf('text/plain');
  const html = types.indexOf('text/html');
  if (plain > 0 || (html > 0 && !(plain === 0 && html === 1))) {
    tell(
      'content',
      'If present, text/plain and text/html must be in this order and come first: text/plain, text/html, any other content.',
      'message.content.type',
    );
  }
}

function checkAttachments(attachments: unknown, tell: Tell): void {
  if (!Array.isArray(attachments)) return;
  for (const [index, each] of attachments.entries() as Iterable<[number, unknown]>) {
    const path = `attachments.${index}`;
    if (!isFields(each)) {
      tell(path, `Invalid type. Expected: object, given: ${kindOf(each)}.`);
      continue;
    }
    checkKeys(each, ATTACHMENT_KEYS, `${path}.`, tell);
    const { content, filename, disposition } = each;
    if (
      typeof content !== 'string' ||
      content === '' ||
      !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(content)
    ) {
      tell(
        `${path}.content`,
        'The attachment content must be base64 encoded.',
        'message.attachments.content',
      );
    }
    if (typeof filename !== 'string' || filename === '') {
      tell(`${path}.filename`, 'The attachment filename is required.', 'message.attachments.filename');
    }
    if (disposition !== undefined && disposition !== 'inline' && disposition !== 'attachment') {
      tell(
        `${path}.disposition`,
        'The disposition must be either inline or attachment.',
        'message.attachments.disposition',
      );
    }
  }
}

function checkCategories(categories: unknown, tell: Tell): void {
  if (!Array.isArray(categories)) return;
  if (categories.length > 10)
    tell('categories', 'The categories array may have at most 10 categories.', 'message.categories');
  if (new Set(categories).size !== categories.length) {
    tell('categories', 'The categories of a message must be unique.', 'message.categories');
  }
  categories.forEach((each: unknown, index) => {
    if (typeof each !== 'string' || each.length > 255) {
      tell(`categories.${index}`, 'A category name may have at most 255 characters.', 'message.categories');
    }
  });
}

function checkCustomArgs(body: Fields, tell: Tell): void {
  const all = [body.custom_args];
  if (Array.isArray(body.personalizations)) {
    for (const each of body.personalizations) if (isFields(each)) all.push(each.custom_args);
  }
  for (const args of all) {
    if (!isFields(args)) continue;
    if (Object.values(args).some((value) => typeof value !== 'string')) {
      tell('custom_args', 'The values of custom arguments must be strings.', 'message.custom_args');
    }
    if (Buffer.byteLength(JSON.stringify(args)) >= 10_000) {
      tell(
        'custom_args',
        'The total length of custom arguments must be less than 10000 bytes.',
        'message.custom_args',
      );
    }
  }
}
