import { quoted } from '../../event/names.ts';
import type { SendgridGrant } from '../../grant/sendgrid-grant.ts';
import { vendorDenied } from '../vendor/denial.ts';
import type { Mail } from './mail.ts';

/**
 * Refuses an email that the grant does not allow: every sender, every address for answers, every recipient of every
 * personalization, the template, and what passes over unsubscribes.
 * @throws GtpackError `capability_denied` with the grant line that would allow it
 */
export function permitMail(source: string, mail: Mail, grant: SendgridGrant): void {
  const denied = (message: string, line: string): never => {
    throw vendorDenied('sendgrid', source, message, line);
  };
  for (const { path, address } of mail.senders) {
    if (grant.allowsSender(address)) continue;
    denied(
      `${source} may not send email from ${address.text} (${path}).`,
      `from: [${JSON.stringify(address.text)}]`,
    );
  }
  for (const { path, address } of mail.replyTo) {
    if (grant.allowsReplyTo(address)) continue;
    denied(
      `${source} may not have answers go to ${address.text} (${path}).`,
      `reply_to: [${JSON.stringify(address.text)}]`,
    );
  }
  for (const { path, address } of mail.recipients) {
    if (grant.allowsRecipient(address)) continue;
    denied(
      `${source} may not send email to ${address.domain} (${path}).`,
      `to: [${JSON.stringify(`*@${address.domain}`)}]`,
    );
  }
  const { templates, bypass } = grant;
  if (templates !== null && (mail.templateId === null || !templates.has(mail.templateId))) {
    const id =
      mail.templateId === null
        ? 'without one of its templates'
        : `by the template ${quoted(mail.templateId)}`;
    const line = mail.templateId === null ? 'no list of templates' : quoted(mail.templateId);
    denied(`${source} may not send email ${id} (template_id).`, `templates: [${line}]`);
  }
  if (templates !== null && mail.hasContent) {
    denied(`${source} may send templates and no content of its own (content).`, 'no list of templates');
  }
  if (!bypass && mail.bypasses.length > 0) {
    denied(
      `${source} may not pass over who unsubscribed or bounced (mail_settings.${mail.bypasses[0] ?? ''}).`,
      'bypass: true',
    );
  }
}
