/// <reference path="./host.d.ts" />
/** All that a provider in TypeScript needs: `import { defineProvider } from 'gtpack/sdk'`. */
export { bus, type TypedDraft } from './bus.ts';
export { config } from './config.ts';
export { type HttpRequest, HttpResponse, http } from './http.ts';
export { log } from './log.ts';
export { ProviderProblem } from './problem.ts';
export { defineProvider, type Provider, type ProviderDefinition } from './provider.ts';
export { secrets } from './secrets.ts';
export {
  type Mail,
  type MailAddress,
  type MailAttachment,
  type MailPersonalization,
  type MailReceipt,
  sendgrid,
} from './sendgrid.ts';
export { state } from './state.ts';
export {
  type Timer,
  type TimerDraft,
  type TimerListing,
  type TimerPage,
  type TimerQuery,
  timers,
} from './timers.ts';
export { type SmsMessage, type SmsReceipt, twilio } from './twilio.ts';
export type {
  Event,
  EventDraft,
  HandleOutcome,
  IngestOutcome,
  IngestRequest,
  Json,
  JsonObject,
  Tick,
  TickOutcome,
} from './types.ts';
export { encodeUtf8 } from './utf8.ts';
