import { Buffer } from 'node:buffer';
import type { Capability, CapabilityAnswer, CapabilityCall } from './capability.ts';
import { readAnswer } from './sendgrid/answer.ts';
import { type Mail, readMail } from './sendgrid/mail.ts';
import { sandboxed } from './sendgrid/mail-settings.ts';
import { permitMail } from './sendgrid/permit-mail.ts';
import { unknownFunction, vendorDenied } from './vendor/denial.ts';
import type { VendorCapabilityOptions } from './vendor/vendor-options.ts';
import { VendorPost } from './vendor/vendor-post.ts';
import { formsOf } from './vendor/vendor-text.ts';

const PATH = '/v3/mail/send';
/** Domains that the audit log names of one email. */
const SHOWN_DOMAINS = 5;

/**
 * `sendgrid.send`: email by SendGrid's v3 Mail Send, within a grant.
 *
 * - `sendgrid/mail.ts` reads what the guest wants sent, with `sendgrid/mail-headers.ts` and `sendgrid/mail-settings.ts`
 * - `sendgrid/permit-mail.ts` holds it against the grant
 * - `vendor/vendor-post.ts` keeps to the grant's rate by `vendor/pace.ts`, and sends by the client of `http`
 * - `sendgrid/answer.ts` says what the answer means
 *
 * V1. What is checked is what is sent: the document is written anew of what was read, addresses in their checked form.
 * V2. Every sender, address for answers and recipient is granted, wherever in the document it stands.
 * V3. The key is attached by the host, goes to the grant's origin only, and comes back to no guest in a vendor's words.
 */
export class SendgridCapability implements Capability {
  readonly name = 'sendgrid';
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
    const { sendgrid: grant } = grants;
    if (grant === null) throw nothingGranted(source);
    const mail = readMail(text);
    reaches(targetOf(mail));
    permitMail(source, mail, grant);
    const document = grant.sandboxOnly ? sandboxed(mail.document) : mail.document;
    const response = await this.#post.post(call, grant, {
      path: PATH,
      contentType: 'application/json',
      body: Buffer.from(JSON.stringify(document)),
      amount: mail.recipients.length,
    });
    const waitMs = this.#post.pauseOf(response);
    const hidden = formsOf(grant.http, this.#options.secretOf(tenant, grant.key));
    return { kind: 'ok', json: readAnswer(response, { origin: grant.origin, hidden, waitMs }) };
  }

  /** What it sends by is another's to close. */
  async close(): Promise<void> {}
}

/** Who sends, to how many, and at which domains: enough to find a misuse by, and nobody's address but the sender's. */
function targetOf({ senders, recipients }: Mail): string {
  const from = [...new Set(senders.map(({ address }) => address.text))].slice(0, SHOWN_DOMAINS).join(', ');
  const domains = [...new Set(recipients.map(({ address }) => address.domain))];
  const more = domains.length > SHOWN_DOMAINS ? ` and ${domains.length - SHOWN_DOMAINS} domains more` : '';
  return `${from} to ${recipients.length} at ${domains.slice(0, SHOWN_DOMAINS).join(', ')}${more}`;
}

function nothingGranted(source: string): Error {
  return vendorDenied(
    'sendgrid',
    source,
    `${source} may send no email.`,
    'key: SENDGRID_KEY, from: ["orders@example.com"], to: ["*@customer.example"]',
  );
}
