/** How one kind of sender signs its requests, as the host checks it before any guest runs. */
export type SignatureScheme =
  | HmacScheme
  | StripeScheme
  | StandardWebhooksScheme
  | TwilioScheme
  | SendgridScheme;

interface Scheme {
  /** As the bundle calls it; what a guest reads in `verified`. */
  readonly name: string;
  /** Names of the tenant's secrets. A signature by any of them holds, so that one can be exchanged for the next. */
  readonly secrets: readonly string[];
  /** Lower-case name of the header that holds the signature. */
  readonly header: string;
}

/** An HMAC over the body: GitHub, Shopify, Slack, and whoever else does the same in a header of their own. */
export interface HmacScheme extends Scheme {
  readonly kind: 'hmac';
  readonly algorithm: HmacAlgorithm;
  readonly encoding: HmacEncoding;
  /** What stands before the signature in its header. */
  readonly prefix: string;
  /** What is signed. */
  readonly payload: readonly PayloadPart[];
  /** Null where the sender signs no time: then nothing but the event's id keeps a delivery from being sent twice. */
  readonly timestamp: SignedTimestamp | null;
}

export interface StripeScheme extends Scheme {
  readonly kind: 'stripe';
  readonly toleranceMs: number;
}

export interface StandardWebhooksScheme extends Scheme {
  readonly kind: 'standard-webhooks';
  readonly toleranceMs: number;
}

/** Signs the URL as the sender sees it, so it takes the bundle's `http.public_url`. */
export interface TwilioScheme extends Scheme {
  readonly kind: 'twilio';
}

export interface SendgridScheme extends Scheme {
  readonly kind: 'sendgrid';
  readonly toleranceMs: number;
}

export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha512';
export type HmacEncoding = 'hex' | 'base64' | 'base64url';

export type PayloadPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'body' }
  | { readonly kind: 'timestamp' };

export interface SignedTimestamp {
  /** Lower-case. */
  readonly header: string;
  /** How old a delivery may be. */
  readonly toleranceMs: number;
}

const MINUTE_MS = 60_000;
export const DEFAULT_TOLERANCE_MS = 5 * MINUTE_MS;
/**
 * SendGrid signs the time of the event batch and tries again for a day; by then its events are known by their ids
 * (promise B4), whose window is a day, too.
 */
const SENDGRID_TOLERANCE_MS = 24 * 60 * MINUTE_MS;

type Preset<T = SignatureScheme> = T extends SignatureScheme ? Omit<T, 'name' | 'secrets'> : never;

const body: PayloadPart = Object.freeze({ kind: 'body' });

/** The schemes that a bundle names and says nothing more of. */
export const SIGNATURE_PRESETS: Readonly<Record<string, Preset>> = Object.freeze({
  // docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
  github: {
    kind: 'hmac',
    header: 'x-hub-signature-256',
    algorithm: 'sha256',
    encoding: 'hex',
    prefix: 'sha256=',
    payload: [body],
    timestamp: null,
  },
  // docs.stripe.com/webhooks/signatures
  stripe: { kind: 'stripe', header: 'stripe-signature', toleranceMs: DEFAULT_TOLERANCE_MS },
  // www.twilio.com/docs/usage/security
  twilio: { kind: 'twilio', header: 'x-twilio-signature' },
  // www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
  sendgrid: {
    kind: 'sendgrid',
    header: 'x-twilio-email-event-webhook-signature',
    toleranceMs: SENDGRID_TOLERANCE_MS,
  },
  // docs.slack.dev/authentication/verifying-requests-from-slack
  slack: {
    kind: 'hmac',
    header: 'x-slack-signature',
    algorithm: 'sha256',
    encoding: 'hex',
    prefix: 'v0=',
    payload: [{ kind: 'text', text: 'v0:' }, { kind: 'timestamp' }, { kind: 'text', text: ':' }, body],
    timestamp: { header: 'x-slack-request-timestamp', toleranceMs: DEFAULT_TOLERANCE_MS },
  },
  // shopify.dev/docs/apps/build/webhooks/subscribe/https
  shopify: {
    kind: 'hmac',
    header: 'x-shopify-hmac-sha256',
    algorithm: 'sha256',
    encoding: 'base64',
    prefix: '',
    payload: [body],
    timestamp: null,
  },
  // github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md
  'standard-webhooks': {
    kind: 'standard-webhooks',
    header: 'webhook-signature',
    toleranceMs: DEFAULT_TOLERANCE_MS,
  },
});

export function presetOf(name: string): Preset | undefined {
  return Object.hasOwn(SIGNATURE_PRESETS, name) ? SIGNATURE_PRESETS[name] : undefined;
}
