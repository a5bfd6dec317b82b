/** SMS through Twilio: sends it, and makes events of what phones send and of what becomes of what was sent. */
import {
  defineProvider,
  type IngestOutcome,
  type IngestRequest,
  type Json,
  ProviderProblem,
  twilio,
} from 'gtpack/sdk';
import { settings } from './config.ts';
import { incomingSms, smsStatus } from './incoming.ts';
import { messageOf, type SendInput } from './message.ts';
import { segmentsOf } from './segments.ts';

export const { ingest, invoke } = defineProvider({
  ingest: (request) => outcomeOf(request),
  // The host has held the input against its schema.
  invoke: {
    send: (input) => send(input as unknown as SendInput),
    segments: (input) => ({ ...segmentsOf((input as { readonly body: string }).body) }),
  },
});

/** TwiML that says nothing, so that Twilio sends nothing back to the phone. */
const NO_REPLY = {
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
} as const;

/** What comes in says by its path what it is; that Twilio sent it was checked by the host. */
function outcomeOf(request: IngestRequest): IngestOutcome {
  switch (request.handler) {
    case 'incoming': {
      const events = [incomingSms(request)];
      return settings().incoming_reply === 'empty' ? { events, response: NO_REPLY } : { events };
    }
    case 'status':
      return { events: [smsStatus(request)] };
    default:
      throw new ProviderProblem(
        'handler_unknown',
        'The path’s last part was expected to be "incoming" (messages from phones) or "status" (the status callback).',
      );
  }
}

function send(input: SendInput): Json {
  const message = messageOf(input);
  const receipt = twilio.send(message);
  return { ...receipt, segments: { ...segmentsOf(message.body ?? '') } };
}
