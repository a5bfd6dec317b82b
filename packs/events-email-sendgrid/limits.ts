import { encodeUtf8, type MailAddress, ProviderProblem } from 'gtpack/sdk';
import { oneLine } from './addresses.ts';
import type { EmailInput } from './email.ts';

/** What SendGrid documents of Mail Send (docs.sendgrid.com/api-reference/mail-send/limitations). */
const MAX_RECIPIENTS = 1000;
const MAX_EMAIL_BYTES = 30_000_000;
const MAX_CUSTOM_ARGS_BYTES = 9_999;
/** SendGrid sets them itself; so does whoever else would say who sends and who gets it. */
const RESERVED_HEADERS = new Set(
  'x-sg-id x-sg-eid x-smtpapi received dkim-signature content-transfer-encoding content-type mime-version to from sender subject reply-to cc bcc date message-id'.split(
    ' ',
  ),
);

/** @throws ProviderProblem that names the field, before anything is sent */
export function checkLimits(input: EmailInput, recipients: readonly MailAddress[]): void {
  if (recipients.length > MAX_RECIPIENTS) {
    throw refusal(
      'email_recipients_too_many',
      `to, cc, bcc: at most ${MAX_RECIPIENTS} recipients together were expected; ${recipients.length} came.`,
    );
  }
  const seen = new Set<string>();
  for (const { email } of recipients) {
    const lower = email.toLowerCase();
    if (seen.has(lower))
      throw refusal(
        'email_recipient_twice',
        `to, cc, bcc: each address once was expected; ${email} came twice.`,
      );
    seen.add(lower);
  }
  for (const { email, name } of recipients) {
    // Documented of names beside recipients.
    if (name !== undefined && /[;,]/.test(name))
      throw refusal('email_text_invalid', `The name beside ${email}: one without ";" and "," was expected.`);
  }
  const args = input.custom_args === undefined ? 0 : byteLength(JSON.stringify(input.custom_args));
  if (args > MAX_CUSTOM_ARGS_BYTES) {
    throw refusal(
      'email_custom_args_too_large',
      `custom_args: less than 10000 bytes of JSON were expected; ${args} came.`,
    );
  }
  for (const [name, value] of Object.entries(input.headers ?? {})) checkHeader(name, value);
  input.categories?.forEach((category, index) => {
    oneLine(category, `categories[${index}]`);
  });
  const { text = '', html = '', attachments = [] } = input;
  const bytes = attachments.reduce(
    (sum, { content }) => sum + content.length,
    byteLength(text) + byteLength(html),
  );
  if (bytes > MAX_EMAIL_BYTES) {
    throw refusal(
      'email_too_large',
      `text, html, attachments: less than 30 MB together were expected; ${bytes} bytes came.`,
    );
  }
}

function checkHeader(name: string, value: string): void {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}$/.test(name)) {
    throw refusal(
      'email_header_invalid',
      `headers: the name of a header was expected; ${JSON.stringify(name.slice(0, 80))} came.`,
    );
  }
  if (RESERVED_HEADERS.has(name.toLowerCase())) {
    throw refusal('email_header_reserved', `headers.${name}: this header is SendGrid's to set.`);
  }
  oneLine(value, `headers.${name}`);
}

/** Of short texts the bytes are counted; of long ones the most that they can be is enough for most. */
function byteLength(text: string): number {
  return text.length > MAX_EMAIL_BYTES / 3
    ? encodeUtf8(text).length
    : /^[\0-\x7f]*$/.test(text)
      ? text.length
      : encodeUtf8(text).length;
}

function refusal(code: string, message: string): ProviderProblem {
  return new ProviderProblem(code, message);
}
