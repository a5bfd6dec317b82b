import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { receiver } from '../fakes/receiver.ts';
import { deliver } from '../fakes/senders.ts';
import { openSendgrid } from '../fakes/sendgrid/sendgrid.ts';
import { openTwilio } from '../fakes/twilio/twilio.ts';
import { requestOf, text as verdict, verifier } from '../ingress/signature/signed.ts';
import { flowOf, packPath, scriptFlow, writeBundle } from './bundle.ts';
import type { BusLog, Seen } from './bus-log.ts';
import { startHere } from './host-here.ts';
import { packFile } from './packs.ts';
import { post } from './request.ts';

const ACCOUNT = `AC${'0'.repeat(32)}`;
const SENDER = '+15005550006';
const PUBLIC = 'https://hooks.example.com';
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const LONG = '/v1/events/ingress';
const SMS_STATUS = `${LONG}/events-sms-twilio/default/status`;
const SMS_INCOMING = `${LONG}/events-sms-twilio/default/incoming`;
const MAIL = `${LONG}/events-email-sendgrid/default`;

// Compiling takes seconds on a cold cache.
beforeAll(async () => {
  for (const name of ['events-email-sendgrid', 'events-sms-twilio', 'webhook-publisher'] as const)
    await packFile(name);
}, 240_000);

const CONFIRM = flowOf(
  'confirm',
  [
    {
      id: 'mail',
      type: 'event',
      config: {
        provider: 'events-email-sendgrid',
        action: 'send',
        to: '{{ event.payload.email }}',
        subject: 'Order {{ event.payload.id }}',
        text: 'Thank you!',
        html: '<p>Thank you!</p>',
        custom_args: { order: '{{ event.payload.id }}' },
      },
      next: 'sms',
    },
    {
      id: 'sms',
      type: 'event',
      config: {
        provider: 'events-sms-twilio',
        action: 'send',
        to: '{{ event.payload.phone }}',
        body: 'Order {{ event.payload.id }} is on its way.',
        status_callback: `${PUBLIC}${SMS_STATUS}?order={{ event.payload.id }}`,
      },
      next: 'both',
    },
    {
      id: 'both',
      type: 'transform',
      config: { value: { mail: '{{ steps.mail }}', sms: '{{ steps.sms }}' } },
    },
  ],
  'shopify.orders.create',
);
const JOIN = scriptFlow('join', '[event.event_type, event.payload.order]', 'sendgrid.*');
const STATUS = scriptFlow(
  'status',
  '[event.payload.message_status, headers && event.metadata.http.query.order]',
  'twilio.sms.status',
);
const REPLY = flowOf(
  'reply',
  [
    {
      id: 'answer',
      type: 'http_response',
      config: {
        headers: { 'content-type': 'text/xml' },
        body: '<Response><Message>Got {{ event.payload.body }}</Message></Response>',
      },
    },
  ],
  'twilio.sms.incoming',
);
const TELL = flowOf(
  'tell',
  [
    {
      id: 'tell',
      type: 'event',
      config: { provider: 'webhook-publisher', action: 'publish', event: '{{ event }}' },
    },
  ],
  'shopify.orders.paid',
);

/** @param busy the statuses of the receiver's first answers */
async function start(busy: readonly number[] = []) {
  const sendgrid = await openSendgrid({ apiKey: 'SG.key', verifiedSenders: ['example.com'] });
  const twilio = await openTwilio({ accountSid: ACCOUNT, authToken: 'token-of-twilio', senders: [SENDER] });
  const hooks = await receiver(busy);
  onTestFinished(() => Promise.all([sendgrid.close(), twilio.close(), hooks.close()]).then(() => {}));
  const networks = ['127.0.0.0/8'];
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0', public_url: PUBLIC },
      secrets: Object.fromEntries(
        ['SHOP', 'MAIL', 'MAIL_HOOK', 'SMS', 'HOOK'].map((name) => [name, `env:${name}`]),
      ),
      providers: {
        'events-webhook': {
          pack: packPath('events-webhook'),
          config: { preset: 'shopify' },
          signatures: { shopify: { secret: 'SHOP' } },
        },
        'events-email-sendgrid': {
          pack: packPath('events-email-sendgrid'),
          config: { from_email: 'shop@example.com', from_name: 'The Shop' },
          signatures: { sendgrid: { secret: 'MAIL_HOOK' } },
          grants: {
            sendgrid: {
              key: 'MAIL',
              from: ['shop@example.com'],
              to: ['*'],
              base_url: sendgrid.url,
              networks,
            },
          },
        },
        'events-sms-twilio': {
          pack: packPath('events-sms-twilio'),
          signatures: { twilio: { secret: 'SMS' } },
          grants: {
            twilio: {
              account: ACCOUNT,
              auth_token: 'SMS',
              from: [SENDER],
              to: ['+41'],
              status_callback: PUBLIC + SMS_STATUS,
              base_url: twilio.url,
              networks,
            },
          },
        },
        'webhook-publisher': {
          pack: packPath('webhook-publisher'),
          config: { url: `${hooks.url}/hook` },
          grants: {
            http: {
              hosts: [hooks.url],
              networks,
              methods: ['POST'],
              sign: { secret: 'HOOK', scheme: 'standard-webhooks' },
            },
          },
        },
      },
      flows: ['confirm', 'join', 'status', 'reply', 'tell'].map((name) => `flows/${name}.ygtc`),
    }),
    files: {
      'flows/confirm.ygtc': CONFIRM,
      'flows/join.ygtc': JOIN,
      'flows/status.ygtc': STATUS,
      'flows/reply.ygtc': REPLY,
      'flows/tell.ygtc': TELL,
    },
    packs: ['events-webhook', 'events-email-sendgrid', 'events-sms-twilio', 'webhook-publisher'],
  });
  const environment = {
    SHOP: 'secret-of-the-shop',
    MAIL: 'SG.key',
    MAIL_HOOK: sendgrid.webhooks.publicKey,
    SMS: 'token-of-twilio',
    HOOK: WHSEC,
  };
  const { url, bus, lines } = await startHere(folder, undefined, environment);
  const order = (event: string, body: unknown, id?: string) =>
    deliver('shopify', `${url}${LONG}/events-webhook/default/shop`, JSON.stringify(body), environment.SHOP, {
      event,
      ...(id === undefined ? {} : { id }),
    });
  return { url, bus, lines, sendgrid, twilio, hooks, order };
}

const resultOf = (bus: BusLog, type: string): Promise<Seen> =>
  bus.until((seen) => seen.find((each) => each.kind === 'result' && each.type === type));
const eventsOf = (bus: BusLog, type: string): Seen[] => bus.of('event').filter((each) => each.type === type);

test('an order becomes an email and an SMS, and what becomes of them comes back and is joined to the order', async () => {
  const { url, bus, sendgrid, twilio, hooks, order } = await start();
  const body = { id: '42', email: 'ann@example.org', phone: '+41791234567' };
  // Sent again with the same id: one event, one email, one SMS.
  for (let time = 0; time < 2; time += 1)
    expect((await order('orders/create', body, 'delivery-1')).status).toBe(202);
  const { json: result } = await resultOf(bus, 'shopify.orders.create');
  const [taken] = sendgrid.mails;
  const [message] = twilio.messages;
  if (taken === undefined || message === undefined)
    throw new Error(`Nothing arrived: ${JSON.stringify(result)}`);
  expect(result).toMatchObject({
    status: 'ok',
    output: {
      mail: { status: 202, message_id: taken.id, recipients: 1 },
      sms: { sid: message.sid, status: 'queued', segments: { encoding: 'GSM-7', count: 1 } },
    },
  });
  expect(taken.mail).toMatchObject({
    from: { email: 'shop@example.com', name: 'The Shop' },
    personalizations: [{ to: [{ email: 'ann@example.org' }] }],
    subject: 'Order 42',
    custom_args: { order: '42' },
  });
  const callback = `${SMS_STATUS}?order=42`;
  expect(Object.fromEntries(message.form)).toEqual({
    To: '+41791234567',
    From: SENDER,
    Body: 'Order 42 is on its way.',
    StatusCallback: PUBLIC + callback,
  });

  // The vendors tell what became of both, SendGrid twice.
  const delivered = sendgrid.webhooks.eventsOf(taken, 'delivered');
  for (let time = 0; time < 2; time += 1) {
    expect((await sendgrid.webhooks.sendEvents(`${url}${MAIL}/events`, delivered)).status).toBe(202);
  }
  const status = await twilio.webhooks.sendStatus(url + callback, message, 'delivered', {
    signedUrl: PUBLIC + callback,
  });
  expect(status.status).toBe(202);
  expect((await resultOf(bus, 'sendgrid.delivered')).json.output).toEqual(['sendgrid.delivered', '42']);
  expect((await resultOf(bus, 'twilio.sms.status')).json.output).toEqual(['delivered', '42']);
  expect(eventsOf(bus, 'sendgrid.delivered')[0]?.json.payload).toMatchObject({ message_id: taken.id });

  // A phone answers, and a flow answers the phone.
  const inbound = await twilio.webhooks.sendInbound(
    url + SMS_INCOMING,
    { from: '+41791234567', to: SENDER, body: 'Thanks' },
    { signedUrl: PUBLIC + SMS_INCOMING },
  );
  expect(inbound).toEqual({
    status: 200,
    contentType: 'text/xml',
    body: '<Response><Message>Got Thanks</Message></Response>',
  });

  // An email comes in.
  const answer = { from: 'ann@example.org', to: 'in@example.com', subject: 'Re: Order 42', text: 'Thanks' };
  expect((await sendgrid.webhooks.sendInbound(`${url}${MAIL}/inbound`, answer)).status).toBe(202);
  await bus.until(() => (eventsOf(bus, 'sendgrid.inbound').length > 0 ? true : undefined));
  expect(eventsOf(bus, 'sendgrid.inbound')[0]?.json.payload).toMatchObject(answer);

  // Another service is told, signed.
  const paid = await order('orders/paid', { id: '42' });
  expect(paid.status).toBe(202);
  expect((await resultOf(bus, 'shopify.orders.paid')).json.output).toMatchObject({ status: 202 });
  const [hook] = hooks.requests;
  const own = verifier({ 'standard-webhooks': { secret: 'KEY' } }, { KEY: WHSEC });
  expect(verdict(own.verify(requestOf(hook?.body ?? '', hook?.headers), Date.now()))).toBe(
    'verified standard-webhooks',
  );
  expect(JSON.parse(String(hook?.body))).toMatchObject({ type: 'shopify.orders.paid', data: { id: '42' } });

  // All that came twice was done once.
  expect([sendgrid.mails.length, twilio.messages.length, hooks.requests.length]).toEqual([1, 1, 1]);
  expect(bus.of('result').filter(({ type }) => type === 'sendgrid.delivered')).toHaveLength(1);
}, 120_000);

test('an event that its receiver is too busy for is posted again, by one id, and signed anew each time', async () => {
  const { bus, hooks, order } = await start([503, 429]);
  expect((await order('orders/paid', { id: '43' }, 'delivery-2')).status).toBe(202);
  const { json: result } = await resultOf(bus, 'shopify.orders.paid');
  expect(result).toMatchObject({ status: 'ok', attempts: 3, output: { status: 202 } });
  const own = verifier({ 'standard-webhooks': { secret: 'KEY' } }, { KEY: WHSEC });
  const verdicts = hooks.requests.map(({ body, headers }) =>
    verdict(own.verify(requestOf(body, headers), Date.now())),
  );
  expect(verdicts).toEqual(Array.from({ length: 3 }, () => 'verified standard-webhooks'));
  expect(new Set(hooks.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

test('what a vendor did not sign reaches no flow', async () => {
  const { url, bus, twilio, sendgrid } = await start();
  const other = await openSendgrid({ apiKey: 'a', verifiedSenders: [] });
  onTestFinished(() => other.close());
  const event = {
    email: 'a@example.org',
    event: 'bounce',
    sg_event_id: '1',
    sg_message_id: 'm.1',
    timestamp: 1,
  };
  expect((await other.webhooks.sendEvents(`${url}${MAIL}/events`, [event])).status).toBe(401);
  expect((await post(`${url}${MAIL}/events`, [event])).status).toBe(401);
  // Signed for another URL than the public one.
  const phone = { from: '+41791234567', to: SENDER, body: 'Hi' };
  expect((await twilio.webhooks.sendInbound(url + SMS_INCOMING, phone)).status).toBe(401);
  // Signed, and no events: the vendor hears what is wrong.
  const bad = await sendgrid.webhooks.sendEvents(`${url}${MAIL}/other`, []);
  expect([bad.status, JSON.parse(bad.body).code]).toEqual([400, 'handler_unknown']);
  expect(bus.seen).toEqual([]);
}, 120_000);

test('what a vendor refuses is the run’s error, with the vendor’s reason, and what it defers is tried again', async () => {
  const { bus, sendgrid, order } = await start();
  const body = { id: '7', email: 'ann@example.org', phone: '+4415550003' };
  sendgrid.script.answer({ status: 503, body: { errors: [{ message: 'later', field: null, help: null }] } });
  await order('orders/create', body);
  await expect.poll(() => sendgrid.mails.length).toBe(1);
  await order('orders/create', { ...body, id: '8', email: 'a@example.org\r\nBcc: b@example.org' });
  const letter = await bus.until((seen) =>
    seen.find(({ kind, json }) => kind === 'dead_letter' && json.event?.payload.id === '8'),
  );
  expect(JSON.stringify(letter.json)).toContain('email_address_invalid');
}, 120_000);

test('ten thousand deliveries of one event are one event', async () => {
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      providers: {
        hooks: { pack: packPath('events-webhook'), config: { batch: true, id_from: { json: 'id' } } },
      },
      flows: ['flows/count.ygtc'],
    }),
    files: { 'flows/count.ygtc': scriptFlow('count', 'event.payload.id', 'order.created') },
  });
  const { url, bus } = await startHere(folder);
  const same = Array.from({ length: 1000 }, () => ({ id: 'one', text: 'é' }));
  const ids = new Set<string>();
  for (let request = 0; request < 10; request += 1) {
    const answer = await post(`${url}/events/webhook/default/order.created`, same);
    expect(answer.status).toBe(202);
    for (const id of answer.json.ids) ids.add(id);
  }
  expect(ids.size).toBe(1);
  const last = await post(`${url}/events/webhook/default/order.created`, { id: 'two' });
  await bus.result(last.json.id);
  expect(bus.of('result').map(({ json }) => json.output)).toEqual(['one', 'two']);
}, 60_000);
