import { createHmac, randomUUID } from 'node:crypto';
import { postTo, type Reception } from './server.ts';

/** Services that post JSON to whoever asked for it, each with the headers and the signature that it documents. */
export type Sender = 'github' | 'stripe' | 'shopify' | 'slack' | 'standard-webhooks';

export interface Delivery {
  /** The event in the service's own words: `push`, `orders/create`; Stripe and Slack say it in the body. */
  readonly event?: string;
  /** As it is sent again in a later attempt. Default: a new one. */
  readonly id?: string;
  /** Milliseconds since the Unix epoch. Default: now. */
  readonly at?: number;
}

/** Posts a body as the service does. `secret`: as its settings show it. */
export function deliver(
  sender: Sender,
  url: string,
  body: string,
  secret: string,
  delivery: Delivery = {},
): Promise<Reception> {
  return postTo(url, body, {
    'content-type': 'application/json',
    ...headersOf(sender, body, secret, delivery),
  });
}

/** The headers of a delivery, its signature among them. */
export function headersOf(
  sender: Sender,
  body: string,
  secret: string,
  { event = 'ping', id = randomUUID(), at = Date.now() }: Delivery = {},
): Record<string, string> {
  const seconds = Math.floor(at / 1000);
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text);
  switch (sender) {
    // docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
    case 'github':
      return {
        'user-agent': 'GitHub-Hookshot/044aadd',
        'x-github-event': event,
        'x-github-delivery': id,
        'x-github-hook-id': '292430182',
        'x-hub-signature': `sha1=${createHmac('sha1', secret).update(body).digest('hex')}`,
        'x-hub-signature-256': `sha256=${hmac(secret, body).digest('hex')}`,
      };
    // docs.stripe.com/webhooks/signature
    case 'stripe':
      return {
        'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
        'stripe-signature': `t=${seconds},v1=${hmac(secret, `${seconds}.${body}`).digest('hex')}`,
      };
    // shopify.dev/docs/apps/build/webhooks/subscribe/https
    case 'shopify':
      return {
        'x-shopify-topic': event,
        'x-shopify-hmac-sha256': hmac(secret, body).digest('base64'),
        'x-shopify-shop-domain': 'example.myshopify.com',
        'x-shopify-api-version': '2026-01',
        'x-shopify-webhook-id': id,
        'x-shopify-event-id': id,
        'x-shopify-triggered-at': new Date(at).toISOString(),
      };
    // docs.slack.dev/authentication/verifying-requests-from-slack
    case 'slack':
      return {
        'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
        'x-slack-request-timestamp': String(seconds),
        'x-slack-signature': `v0=${hmac(secret, `v0:${seconds}:${body}`).digest('hex')}`,
      };
    // github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md
    case 'standard-webhooks': {
      const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
      return {
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': `v1,${hmac(key, `${id}.${seconds}.${body}`).digest('base64')}`,
      };
    }
  }
}
