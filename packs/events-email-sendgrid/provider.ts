/** Email through SendGrid: sends it, and makes events of what becomes of it and of email that comes in. */
import {
  defineProvider,
  type IngestOutcome,
  type IngestRequest,
  type Json,
  type Mail,
  ProviderProblem,
  sendgrid,
} from 'gtpack/sdk';
import { deliveryEvents } from './delivery-events.ts';
import { type EmailInput, plainMail, templateMail } from './email.ts';
import { inboundEmail } from './inbound.ts';

export const { ingest, invoke } = defineProvider({
  ingest: (request) => outcomeOf(request),
  // The host has held the input against its schema.
  invoke: {
    send: (input) => send(plainMail(input as unknown as EmailInput)),
    send_template: (input) => send(templateMail(input as unknown as EmailInput)),
  },
});

/** What comes in says by its path what it is; who sent it was checked by the host. */
function outcomeOf(request: IngestRequest): IngestOutcome {
  switch (request.handler) {
    case 'events':
      return { events: deliveryEvents(request) };
    case 'inbound':
      return { events: [inboundEmail(request)] };
    default:
      throw new ProviderProblem(
        'handler_unknown',
        'The path’s last part was expected to be "events" (the Event Webhook) or "inbound" (Inbound Parse).',
      );
  }
}

function send(mail: Mail): Json {
  const { status, message_id } = sendgrid.send(mail);
  const recipients = mail.personalizations.reduce(
    (sum, { to, cc = [], bcc = [] }) => sum + to.length + cc.length + bcc.length,
    0,
  );
  return { status, message_id, recipients };
}
