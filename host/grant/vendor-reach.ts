import type { Grants } from './grants.ts';
import type { HttpGrant } from './http-grant.ts';
import type { SendgridGrant } from './sendgrid-grant.ts';
import type { TwilioGrant } from './twilio-grant.ts';

/** What a grant of a vendor lets a provider do, in a line for an operator; undefined for other capabilities and where nothing is granted. */
export function vendorReach(grants: Grants, capability: string): string | undefined {
  const { sendgrid, twilio } = grants;
  if (capability === 'sendgrid' && sendgrid !== null) return mailReach(sendgrid);
  return capability === 'twilio' && twilio !== null ? messageReach(twilio) : undefined;
}

function mailReach(grant: SendgridGrant): string {
  const { from, to, replyTo, rate, templates, sandboxOnly, bypass, key, origin, http } = grant;
  return listed([
    `email from ${texts(from)} to ${texts(to)}`,
    replyTo === from ? '' : `answers to ${texts(replyTo)}`,
    `recipients at most ${rate.text}`,
    templates === null ? '' : `by the templates ${[...templates].join(', ')} alone`,
    sandboxOnly ? 'checked by SendGrid and not sent' : '',
    bypass ? 'to those who unsubscribed, too' : '',
    `with the key ${key}`,
    place(origin, http),
  ]);
}

function messageReach(grant: TwilioGrant): string {
  const { from, to, rate, media, statusCallback, account, key, origin, http } = grant;
  return listed([
    `messages from ${from.join(', ')} to ${to.join(', ')}`,
    `at most ${rate.text}`,
    media.length === 0 ? '' : `media of ${texts(media)}`,
    statusCallback === null ? '' : `called back at ${statusCallback}`,
    `by the account ${account} with the key ${key}`,
    place(origin, http),
  ]);
}

function place(origin: string, { networks }: HttpGrant): string {
  return `at ${origin}${networks.length === 0 ? '' : ` (networks: ${texts(networks)})`}`;
}

function texts(entries: readonly { readonly text: string }[]): string {
  return entries.map(({ text }) => text).join(', ');
}

function listed(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('; ');
}
