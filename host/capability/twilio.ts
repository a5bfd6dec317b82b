import { Buffer } from 'node:buffer';
import type { TwilioGrant } from '../grant/twilio-grant.ts';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';
import { readAnswer } from './twilio/answer.ts';
import { type Message, readMessage } from './twilio/message.ts';
import { permitMessage } from './twilio/permit-message.ts';
import { unknownFunction, vendorDenied } from './vendor/denial.ts';
import type { VendorCapabilityOptions } from './vendor/vendor-options.ts';
import { VendorPost } from './vendor/vendor-post.ts';
import { formsOf } from './vendor/vendor-text.ts';

/**
 * `twilio.send`: SMS and MMS by Twilio's Messages API, within a grant.
 *
 * - `twilio/message.ts` reads what the guest wants sent
 * - `twilio/permit-message.ts` holds it against the grant, and makes the form of it
 * - `vendor/vendor-post.ts` keeps to the grant's rate by `vendor/pace.ts`, and sends by the client of `http`
 * - `twilio/answer.ts` says what the answer means
 *
 * V1, V2 and V3 of `sendgrid.ts` hold here, too: of the sender, the number, the hosts of media and the callback.
 */
export class TwilioCapability implements Capability {
  readonly name = 'twilio';
  readonly #options: VendorCapabilityOptions;
  readonly #post: VendorPost;

  constructor(options: VendorCapabilityOptions) {
    this.#options = options;
    this.#post = new VendorPost(this.name, options);
  }

  async perform(call: CapabilityCall): Promise<CapabilityAnswer> {
    const { tenant, source, grants, fn, args, reaches } = call;
    const [text] = args;
    if (fn !== 'send' || text === undefined) throw unknownFunction(this.name, fn);
    const { twilio: grant } = grants;
    if (grant === null) throw nothingGranted(source);
    const message = readMessage(text);
    reaches(targetOf(message, grant));
    const form = permitMessage(source, message, grant);
    const response = await this.#post.post(call, grant, {
      path: `/2010-04-01/Accounts/${grant.account}/Messages.json`,
      contentType: 'application/x-www-form-urlencoded',
      body: Buffer.from(form.toString()),
      amount: 1,
    });
    const waitMs = this.#post.pauseOf(response);
    const hidden = formsOf(grant.http, this.#options.secretOf(tenant, grant.key));
    return { kind: 'ok', json: readAnswer(response, { origin: grant.origin, hidden, waitMs }) };
  }

  /** What it sends by is another's to close. */
  async close(): Promise<void> {}
}

/** Digits of a number that the audit log has, of its beginning and its end: enough to find a misuse by, and nobody's number. */
const SHOWN_FIRST = 3;
const SHOWN_LAST = 2;

function targetOf({ to, from, service }: Message, { from: granted }: TwilioGrant): string {
  const sender = service ?? from ?? granted[0] ?? '';
  const hidden = '*'.repeat(Math.max(0, to.length - SHOWN_FIRST - SHOWN_LAST));
  return `${sender} to ${to.slice(0, SHOWN_FIRST)}${hidden}${to.slice(-SHOWN_LAST)}`;
}

function nothingGranted(source: string): Error {
  return vendorDenied(
    'twilio',
    source,
    `${source} may send no messages.`,
    'account: AC…, auth_token: TWILIO_TOKEN, from: ["+41791234567"], to: ["+41"]',
  );
}
