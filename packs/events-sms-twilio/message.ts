import { ProviderProblem, type SmsMessage } from 'gtpack/sdk';
import { settings } from './config.ts';

/** The input of `send`, as its schema has it; the host has checked it. */
export interface SendInput {
  readonly to: string;
  readonly body?: string;
  readonly from?: string;
  readonly messaging_service_sid?: string;
  readonly media_urls?: readonly string[];
  readonly content_sid?: string;
  readonly content_variables?: Readonly<Record<string, string>>;
  readonly status_callback?: boolean | string;
  readonly validity_period?: number;
  readonly send_at?: string;
}

/** E.164: a country's code and a number, 15 digits at most; no country has numbers of fewer than 7. */
const E164 = /^\+[1-9]\d{6,14}$/;
/** A name shown in place of a number: at most 11 letters, digits and spaces, of which one is a letter. */
const NAME = /^(?=.*[A-Za-z])[A-Za-z0-9 +\-_&]{1,11}$/;
const SHORT_CODE = /^\d{3,8}$/;
const SERVICE = /^MG[0-9a-fA-F]{32}$/;
const CONTENT = /^HX[0-9a-fA-F]{32}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;
/** Documented of the Messages API. */
const MAX_CHARACTERS = 1600;

/** What `twilio.send` takes. @throws ProviderProblem that names the field */
export function messageOf(input: SendInput): SmsMessage {
  const { to, body, media_urls, content_sid, content_variables, validity_period, send_at } = input;
  if (!E164.test(to))
    throw refusal(
      'sms_number_invalid',
      `to: a number in E.164 such as +41791234567 was expected; ${shown(to)} came.`,
    );
  const characters = body === undefined ? 0 : [...body].length;
  if (characters > MAX_CHARACTERS) {
    throw refusal(
      'sms_too_long',
      `body: at most ${MAX_CHARACTERS} characters were expected; ${characters} came.`,
    );
  }
  if (characters === 0 && media_urls === undefined && content_sid === undefined) {
    throw refusal(
      'sms_empty',
      'body: a text was expected; an empty one came, and neither media nor a template.',
    );
  }
  media_urls?.forEach((url, index) => {
    // Twilio fetches them. Which hosts may be named is the grant's to say.
    if (!/^https:\/\/[\x21-\x7e]+$/.test(url))
      throw refusal(
        'sms_media_invalid',
        `media_urls[${index}]: an https URL was expected; ${shown(url)} came.`,
      );
  });
  if (content_sid !== undefined && !CONTENT.test(content_sid))
    throw refusal(
      'sms_content_invalid',
      `content_sid: "HX" and 32 hex digits were expected; ${shown(content_sid)} came.`,
    );
  const sender = senderOf(input);
  if (send_at !== undefined) checkSchedule(send_at, sender);
  const status_callback = input.status_callback ?? settings().status_callback;
  return {
    to,
    ...sender,
    ...(characters === 0 || body === undefined ? {} : { body }),
    ...(media_urls === undefined ? {} : { media_urls }),
    ...(content_sid === undefined ? {} : { content_sid }),
    ...(content_variables === undefined ? {} : { content_variables }),
    ...(status_callback === undefined ? {} : { status_callback }),
    ...(validity_period === undefined ? {} : { validity_period }),
    ...(send_at === undefined ? {} : { send_at, schedule_type: 'fixed' }),
  };
}

interface Sender {
  readonly from?: string;
  readonly messaging_service_sid?: string;
}

/** Nothing where neither input nor config say: then the only sender that is granted is the one. */
function senderOf(input: SendInput): Sender {
  const own = settings();
  const isTold = input.from !== undefined || input.messaging_service_sid !== undefined;
  const { from, messaging_service_sid } = isTold ? input : own;
  if (messaging_service_sid !== undefined) {
    if (SERVICE.test(messaging_service_sid)) return { messaging_service_sid };
    throw refusal(
      'sms_sender_invalid',
      `messaging_service_sid: "MG" and 32 hex digits were expected; ${shown(messaging_service_sid)} came.`,
    );
  }
  if (from === undefined) return {};
  if (E164.test(from) || SHORT_CODE.test(from) || NAME.test(from)) return { from };
  throw refusal(
    'sms_sender_invalid',
    `from: a number in E.164, a short code or a name of up to 11 letters was expected; ${shown(from)} came.`,
  );
}

/** That it lies 15 minutes to 35 days ahead is Twilio's to say: a provider has no clock. */
function checkSchedule(sendAt: string, sender: Sender): void {
  if (!INSTANT.test(sendAt) || Number.isNaN(Date.parse(sendAt)))
    throw refusal(
      'sms_time_invalid',
      `send_at: an instant such as 2026-11-24T09:00:00Z was expected; ${shown(sendAt)} came.`,
    );
  if (sender.messaging_service_sid === undefined)
    throw refusal(
      'sms_time_invalid',
      'send_at: Twilio schedules for messaging services only; messaging_service_sid was expected.',
    );
}

/** Whatever a terminal would do something with is shown as its number. */
function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function refusal(code: string, message: string): ProviderProblem {
  return new ProviderProblem(code, message);
}
