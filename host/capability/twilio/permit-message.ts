import { GtpackError } from '../../errors.ts';
import { originGrant } from '../../grant/origin-pattern.ts';
import { isMessagingService } from '../../grant/phone-number.ts';
import type { TwilioGrant } from '../../grant/twilio-grant.ts';
import { vendorDenied } from '../vendor/denial.ts';
import type { Message } from './message.ts';

/** The digits of a number that a denial shows: its country, and a little more. */
const SHOWN_PREFIX = 3;

/**
 * The form that is posted, of a message that the grant allows.
 * @throws GtpackError `capability_denied` with the grant line that would allow it; `twilio_invalid` for a message whose sender
 *   nobody says
 */
export function permitMessage(source: string, message: Message, grant: TwilioGrant): URLSearchParams {
  const denied = (told: string, line: string): GtpackError => vendorDenied('twilio', source, told, line);
  const { to, media, callback, parameters } = message;
  const form = new URLSearchParams([['To', to]]);
  for (const [name, sender] of sendersOf(message, grant)) {
    if (!grant.allowsSender(sender)) {
      throw denied(`${source} may not send messages from ${sender}.`, `from: [${JSON.stringify(sender)}]`);
    }
    form.append(name, sender);
  }
  if (!grant.allowsRecipient(to)) {
    const prefix = to.slice(0, SHOWN_PREFIX);
    throw denied(`${source} may not send messages to ${prefix}….`, `to: [${JSON.stringify(prefix)}]`);
  }
  for (const url of media) {
    if (!grant.allowsMedia(url)) {
      throw denied(
        `${source} may not have Twilio fetch media from ${url.origin}.`,
        `media: [${JSON.stringify(originGrant(url))}]`,
      );
    }
    form.append('MediaUrl', url.href);
  }
  if (callback !== null) form.append('StatusCallback', callbackUrl(source, callback, grant));
  for (const [name, value] of parameters) form.append(name, value);
  return form;
}

/** Those that the message names, or the only one that is granted. */
function sendersOf({ from, service }: Message, grant: TwilioGrant): [name: string, sender: string][] {
  const named: [string, string][] = [
    ...(from === null ? [] : [['From', from] as [string, string]]),
    ...(service === null ? [] : [['MessagingServiceSid', service] as [string, string]]),
  ];
  if (named.length > 0) return named;
  const [only, ...others] = grant.from;
  if (only !== undefined && others.length === 0) {
    return [[isMessagingService(only) ? 'MessagingServiceSid' : 'From', only]];
  }
  throw new GtpackError(
    'twilio_invalid',
    `The message was not sent: it has neither from nor messaging_service_sid, and the grant names ${grant.from.length} senders.`,
  );
}

function callbackUrl(source: string, callback: URL | 'granted', grant: TwilioGrant): string {
  if (callback === 'granted' && grant.statusCallback !== null) return grant.statusCallback;
  if (callback !== 'granted' && grant.allowsCallback(callback)) return callback.href;
  const url =
    callback === 'granted' ? 'https://hooks.example.com/…' : `${callback.origin}${callback.pathname}`;
  const where = callback === 'granted' ? 'back' : `back to ${url}`;
  throw vendorDenied(
    'twilio',
    source,
    `${source} may not have Twilio call ${where} (status_callback).`,
    `status_callback: ${JSON.stringify(url)}`,
  );
}
