import { send } from 'gtpack:plugin/twilio@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';
import type { Json } from './types.ts';

/** A message to be sent: a text, media or a template, at least one of them. Numbers are in E.164, such as `+41791234567`. */
export interface SmsMessage {
  readonly to: string;
  /** The number or name that it comes from. Left out, with no messaging service: the only sender that is granted. */
  readonly from?: string;
  /** A messaging service to choose the sender. */
  readonly messaging_service_sid?: string;
  /** At most 1,600 characters. */
  readonly body?: string;
  /** At most 10, https. */
  readonly media_urls?: readonly string[];
  /** Where what becomes of it goes: true for the URL of the grant, or that URL with a query. Default: nowhere. */
  readonly status_callback?: boolean | string;
  /** Seconds, 1 to 36,000. */
  readonly validity_period?: number;
  /** RFC 3339; with `schedule_type` and a messaging service. */
  readonly send_at?: string;
  readonly schedule_type?: 'fixed';
  /** A template of Twilio's. */
  readonly content_sid?: string;
  readonly content_variables?: Readonly<Record<string, string>>;
}

/** What Twilio said of a message that it took. */
export interface SmsReceipt {
  readonly sid: string;
  /** `queued`, `accepted`, `scheduled`, … */
  readonly status: string;
  /** Null where Twilio does not know yet. */
  readonly num_segments: number | null;
  readonly num_media: number | null;
  readonly error_code: number | null;
  readonly messaging_service_sid: string | null;
}

/** SMS and MMS through Twilio's Messages API; its token stays in the host. */
export const twilio = {
  /**
   * @throws ProviderProblem `capability_denied`, `grant_rate_exceeded`, `twilio_invalid`, `twilio_to_invalid`, `twilio_from_invalid`,
   *   `twilio_region_denied`, `twilio_opted_out`, `twilio_unauthorized`, `twilio_rate_limited`, `twilio_unavailable`, `http_timeout`,
   *   `http_unreachable`, `http_interrupted`
   */
  send(message: SmsMessage): SmsReceipt {
    const text = toJson(message, 'twilio.send');
    const receipt = ask(() => send(text));
    const sid = member(receipt, 'sid');
    const status = member(receipt, 'status');
    if (typeof sid !== 'string' || typeof status !== 'string') throw wrongAnswer('twilio.send');
    return {
      sid,
      status,
      num_segments: countIn(receipt, 'num_segments'),
      num_media: countIn(receipt, 'num_media'),
      error_code: countIn(receipt, 'error_code'),
      messaging_service_sid: textIn(receipt, 'messaging_service_sid'),
    };
  },
};

function countIn(receipt: Json, key: string): number | null {
  const value = member(receipt, key) ?? null;
  if (value !== null && !Number.isSafeInteger(value)) throw wrongAnswer('twilio.send');
  return value as number | null;
}

function textIn(receipt: Json, key: string): string | null {
  const value = member(receipt, key) ?? null;
  if (value !== null && typeof value !== 'string') throw wrongAnswer('twilio.send');
  return value;
}
