import { send } from 'gtpack:plugin/twilio@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';

/** An SMS to be sent. Numbers are in E.164, such as `+41791234567`. */
export interface SmsMessage {
  readonly to: string;
  /** The number or name that it comes from. Left out: the one that is granted. */
  readonly from?: string;
  /** A messaging service to choose the sender. */
  readonly messaging_service_sid?: string;
  readonly body: string;
  /** Whether what becomes of it comes back as events. Default false. */
  readonly status_callback?: boolean;
}

/** What Twilio said of an SMS that it took. */
export interface SmsReceipt {
  readonly sid: string;
  readonly status: string;
}

/** SMS through Twilio's Messages API. */
export const twilio = {
  /** @throws ProviderProblem */
  send(message: SmsMessage): SmsReceipt {
    const text = toJson(message, 'twilio.send');
    const receipt = ask(() => send(text));
    const sid = member(receipt, 'sid');
    const status = member(receipt, 'status');
    if (typeof sid !== 'string' || typeof status !== 'string') throw wrongAnswer('twilio.send');
    return { sid, status };
  },
};
