import type { TakenMail } from './sendgrid/webhooks.ts';
import type { Message } from './twilio/message.ts';
import type { SetAside } from './warehouse.ts';

/** What arrives at the fakes, for people who watch. */

export function mailText({ id, mail }: TakenMail): string {
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

export function smsText({ sid, form }: Message): string {
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

export function orderText({ order, total, reservation }: SetAside): string {
  return `── warehouse\nOrder ${visible(order)}, worth ${total}, is set aside as number ${reservation}.\n`;
}

function person({ email, name }: { readonly email: string; readonly name?: string }): string {
  return visible(name === undefined ? email : `${name} <${email}>`);
}

/** What moves a terminal's cursor or turns its writing around is shown as its number. */
function visible(text: string): string {
  return text.replace(/[^\P{C}\n\t]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
