import { GtpackError } from '../../errors.ts';
import type { Handshake } from '../../grant/handshakes.ts';
import type { IngressDelivery } from '../delivery.ts';
import type { ReceivedRequest } from '../request.ts';

/**
 * Whether a request asks what senders ask before they send, and nothing besides: W3C WebSub, section 5.3, and HTTP 1.1 Web
 * Hooks for Event Delivery 1.0, section 4. Neither has a body.
 */
export function isHandshake(
  kind: Handshake,
  { method, query, headers, body }: Omit<ReceivedRequest, 'url'>,
): boolean {
  if (body !== undefined && body.length > 0) return false;
  switch (kind) {
    case 'websub':
      return method === 'GET' && isText(query['hub.mode']) && isText(query['hub.challenge']);
    case 'cloudevents':
      return method === 'OPTIONS' && isText(headers['webhook-request-origin']);
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

export function signatureRefused(): GtpackError {
  return new GtpackError('signature_refused', 'The request does not have a valid signature.');
}

/** G4: what comes of a handshake is an answer; where the guest makes anything else of it, it is a request without a signature. */
export function answersOnly(delivery: IngressDelivery): IngressDelivery {
  return {
    admit: (tenant) => delivery.admit(tenant),
    answersWebhook: () => false,
    ingest: async (...asked) => {
      const result = await delivery.ingest(...asked);
      if (result.kind !== 'events') return result;
      if (result.events.length > 0 || result.answer === undefined) throw signatureRefused();
      return result;
    },
    publish: () => Promise.reject(signatureRefused()),
  };
}
