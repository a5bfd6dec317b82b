import { send } from 'gtpack:plugin/sendgrid@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';
import type { Json, JsonObject } from './types.ts';

/** An address, with the name that is shown beside it. */
export interface MailAddress {
  readonly email: string;
  readonly name?: string;
}

/** The recipients of one email, and what is theirs alone. */
export interface MailPersonalization {
  readonly to: readonly MailAddress[];
  readonly cc?: readonly MailAddress[];
  readonly bcc?: readonly MailAddress[];
  readonly from?: MailAddress;
  readonly subject?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly substitutions?: Readonly<Record<string, string>>;
  readonly dynamic_template_data?: JsonObject;
  readonly custom_args?: Readonly<Record<string, string>>;
  /** Seconds since the Unix epoch. */
  readonly send_at?: number;
}

export interface MailAttachment {
  /** Base64. */
  readonly content: string;
  readonly filename: string;
  readonly type?: string;
  readonly disposition?: 'attachment' | 'inline';
  readonly content_id?: string;
}

/** The body of SendGrid's v3 Mail Send, with its vendor's names. */
export interface Mail {
  readonly personalizations: readonly MailPersonalization[];
  readonly from: MailAddress;
  readonly reply_to?: MailAddress;
  readonly reply_to_list?: readonly MailAddress[];
  readonly subject?: string;
  readonly content?: readonly { readonly type: string; readonly value: string }[];
  readonly attachments?: readonly MailAttachment[];
  readonly template_id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly categories?: readonly string[];
  readonly custom_args?: Readonly<Record<string, string>>;
  /** Seconds since the Unix epoch. */
  readonly send_at?: number;
  readonly batch_id?: string;
  readonly asm?: { readonly group_id: number; readonly groups_to_display?: readonly number[] };
  readonly ip_pool_name?: string;
  readonly mail_settings?: Readonly<Record<string, Json>>;
  readonly tracking_settings?: Readonly<Record<string, Json>>;
}

/** What SendGrid said of a message that it took. */
export interface MailReceipt {
  /** 202, or 200 for a message that was only checked. */
  readonly status: number;
  /** The vendor's id of the message; null without one. */
  readonly message_id: string | null;
}

/** Email through SendGrid's v3 Mail Send; its key stays in the host. */
export const sendgrid = {
  /**
   * @throws ProviderProblem `capability_denied`, `grant_rate_exceeded`, `sendgrid_invalid`, `sendgrid_unauthorized`,
   *   `sendgrid_too_large`, `sendgrid_rate_limited`, `sendgrid_unavailable`, `http_timeout`, `http_unreachable`,
   *   `http_interrupted`
   */
  send(mail: Mail): MailReceipt {
    const text = toJson(mail, 'sendgrid.send');
    const receipt = ask(() => send(text));
    const status = member(receipt, 'status');
    const id = member(receipt, 'message_id');
    const isWhole = Number.isSafeInteger(status) && (id === null || typeof id === 'string');
    if (!isWhole) throw wrongAnswer('sendgrid.send');
    return { status: status as number, message_id: id };
  },
};
