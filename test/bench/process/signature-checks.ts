import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { headersOf } from '../../fakes/senders.ts';
import { requestOf, verifier } from '../../ingress/signature/signed.ts';
import { answerCalls } from '../child.ts';
import { orderBody } from '../payload.ts';

export type CheckedScheme =
  | 'github'
  | 'stripe'
  | 'slack'
  | 'shopify'
  | 'standard-webhooks'
  | 'twilio'
  | 'sendgrid';

const PUBLIC_URL = 'https://hooks.example.com';
const PATH = '/events/webhook/bench/order.created';
/** Of Twilio's callbacks. */
const FORM = 'AccountSid=AC1&From=%2B41791234567&MessageSid=SM1&MessageStatus=delivered&To=%2B15005550006';
const AT_MS = 1_790_000_000_000;

let once: (() => void) | undefined;

/** The host's own checks of deliveries as the vendors sign them. */
const handlers = {
  start(scheme: CheckedScheme): void {
    const { secret, body, headers } = signed(scheme);
    const checks = verifier({ [scheme]: { secret: 'S' } }, { S: secret }, PUBLIC_URL);
    const request = requestOf(body, headers, PATH);
    once = () => {
      if (checks.verify(request, AT_MS).kind !== 'verified') throw new Error(`${scheme} was refused`);
    };
    once();
  },

  /** @returns checks a second */
  measure(seconds: number): number {
    if (once === undefined) throw new Error('not started');
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    let checks = 0;
    let now = startedAt;
    while (now < end) {
      for (let i = 0; i < 64; i += 1) once();
      checks += 64;
      now = performance.now();
    }
    return (checks * 1000) / (now - startedAt);
  },
};

interface Signed {
  /** What checks it. */
  readonly secret: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

function signed(scheme: CheckedScheme): Signed {
  const body = orderBody();
  switch (scheme) {
    case 'twilio': {
      const secret = 'a-token-of-32-characters-0123456';
      const text = PUBLIC_URL + PATH + [...new URLSearchParams(FORM)].flat().join('');
      const signature = createHmac('sha1', secret).update(text).digest('base64');
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      return { secret, body: FORM, headers: { ...type, 'x-twilio-signature': signature } };
    }
    case 'sendgrid': {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const time = String(AT_MS / 1000);
      const headers = {
        'x-twilio-email-event-webhook-signature': createSign('sha256')
          .update(time + body)
          .sign(privateKey, 'base64'),
        'x-twilio-email-event-webhook-timestamp': time,
      };
      return {
        secret: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
        body,
        headers,
      };
    }
    default: {
      const secret =
        scheme === 'standard-webhooks' || scheme === 'stripe'
          ? `whsec_${Buffer.alloc(32, 7).toString('base64')}`
          : 'a-secret-of-32-characters-012345';
      return { secret, body, headers: headersOf(scheme, body, secret, { at: AT_MS, id: 'msg_1' }) };
    }
  }
}

export type SignatureChecksProcess = typeof handlers;

answerCalls(handlers, () => undefined);
