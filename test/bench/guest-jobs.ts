import type { IngestRequest, Job, Tick } from '../../host/sandbox/protocol.ts';
import { orderBody } from './payload.ts';

/** What a provider of the bench is asked, by name. */
export type GuestJob = 'echo' | 'ingest' | 'tick' | 'mail events' | 'sms';

const AT_MS = 1_790_000_000_000;
/** Of the Event Webhook, which gathers what became of emails and posts it together. */
const MAIL_EVENTS = 4;

/** @param provider its id */
export function guestJob(name: GuestJob, provider: string): Job {
  switch (name) {
    case 'echo':
      return { kind: 'invoke', provider, operation: 'echo', input: orderBody() };
    case 'ingest':
      return { kind: 'ingest', provider, request: webhookRequest() };
    case 'tick':
      return { kind: 'tick', provider, tick: tick() };
    case 'mail events':
      return { kind: 'ingest', provider, request: mailEvents() };
    case 'sms':
      return { kind: 'ingest', provider, request: sms() };
    default:
      return name satisfies never;
  }
}

/** What ingress makes of a webhook that autocannon sends. */
export function webhookRequest(): IngestRequest {
  const path = '/events/webhook/bench/order.created';
  return { ...requestOf('application/json', orderBody(), path), eventType: 'order.created' };
}

function tick(): Tick {
  return {
    id: `tick-${'0'.repeat(32)}`,
    schedule: 'flow:report/0',
    name: 'report',
    scheduledAt: AT_MS,
    firedAt: AT_MS + 3,
    lastRun: AT_MS - 60_000,
    missed: 0,
  };
}

function mailEvents(): IngestRequest {
  const events = Array.from({ length: MAIL_EVENTS }, (_, index) => ({
    email: 'ada@example.org',
    timestamp: AT_MS / 1000,
    'smtp-id': '<14c5d75ce93.dfd.64b469@ismtpd-555>',
    event: 'delivered',
    category: ['orders'],
    sg_event_id: `ZGVsaXZlcmVkLTAtMTIzNDU2Nzg5LTE0YzVkNzVj${index}`,
    sg_message_id: '14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0',
    response: '250 OK',
    order: '42',
  }));
  const path = '/v1/events/ingress/events-email-sendgrid/bench/events';
  return { ...requestOf('application/json', JSON.stringify(events), path), handler: 'events' };
}

function sms(): IngestRequest {
  const sid = `SM${'0'.repeat(32)}`;
  const form = new URLSearchParams({
    ToCountry: 'US',
    ToState: 'CA',
    SmsMessageSid: sid,
    NumMedia: '0',
    FromZip: '94107',
    SmsSid: sid,
    FromState: 'CA',
    SmsStatus: 'received',
    FromCity: 'SAN FRANCISCO',
    Body: 'Where is my order 42?',
    FromCountry: 'US',
    To: '+15005550006',
    NumSegments: '1',
    MessageSid: sid,
    AccountSid: `AC${'0'.repeat(32)}`,
    From: '+41791234567',
    ApiVersion: '2010-04-01',
  });
  const path = '/v1/events/ingress/events-sms-twilio/bench/incoming';
  return {
    ...requestOf('application/x-www-form-urlencoded', form.toString(), path),
    handler: 'incoming',
  };
}

function requestOf(contentType: string, body: string, path: string): IngestRequest {
  return {
    handler: null,
    eventType: null,
    method: 'POST',
    path,
    query: {},
    headers: {
      host: '127.0.0.1:8080',
      connection: 'keep-alive',
      'content-type': contentType,
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
    bodyEncoding: 'utf8',
    verified: null,
    receivedAt: AT_MS,
  };
}
