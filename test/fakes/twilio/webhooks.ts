import { createHmac, randomBytes } from 'node:crypto';
import { postTo, type Reception } from '../server.ts';
import type { Message } from './message.ts';

export interface InboundSms {
  readonly from: string;
  readonly to: string;
  readonly body: string;
  /** URL and type of each file. */
  readonly media?: readonly (readonly [url: string, type: string])[];
}

export interface CallbackOptions {
  /** The URL that the vendor knows and signs, where a request goes to another one behind it. Default: the same. */
  readonly signedUrl?: string;
}

/** The side of the vendor that calls its customers. */
export class TwilioWebhooks {
  readonly #accountSid: string;
  readonly #authToken: string;

  constructor(accountSid: string, authToken: string) {
    this.#accountSid = accountSid;
    this.#authToken = authToken;
  }

  /** A status callback for a message that was taken. */
  sendStatus(
    url: string,
    { sid, form }: Message,
    status: string,
    { errorCode, ...options }: CallbackOptions & { readonly errorCode?: number } = {},
  ): Promise<Reception> {
    const from = form.get('From');
    return this.post(
      url,
      {
        SmsSid: sid,
        SmsStatus: status,
        MessageStatus: status,
        To: form.get('To') ?? '',
        MessageSid: sid,
        AccountSid: this.#accountSid,
        ...(from === null ? {} : { From: from }),
        ...(errorCode === undefined ? {} : { ErrorCode: String(errorCode) }),
        ApiVersion: '2010-04-01',
      },
      options,
    );
  }

  /** A message from a phone; the reception's body is the reply in TwiML. */
  sendInbound(
    url: string,
    { from, to, body, media = [] }: InboundSms,
    {
      sid = `SM${randomBytes(16).toString('hex')}`,
      ...options
    }: CallbackOptions & { readonly sid?: string } = {},
  ): Promise<Reception> {
    return this.post(
      url,
      {
        ToCountry: 'US',
        ToState: 'CA',
        SmsMessageSid: sid,
        NumMedia: String(media.length),
        ToCity: '',
        FromZip: '94107',
        SmsSid: sid,
        FromState: 'CA',
        SmsStatus: 'received',
        FromCity: 'SAN FRANCISCO',
        Body: body,
        FromCountry: 'US',
        To: to,
        ToZip: '',
        NumSegments: '1',
        MessageSid: sid,
        AccountSid: this.#accountSid,
        From: from,
        ApiVersion: '2010-04-01',
        ...Object.fromEntries(
          media.flatMap(([address, type], index) => [
            [`MediaUrl${index}`, address],
            [`MediaContentType${index}`, type],
          ]),
        ),
      },
      options,
    );
  }

  /** Posts a form, signed for the URL that the vendor knows. */
  post(
    url: string,
    fields: Readonly<Record<string, string>>,
    { signedUrl = url }: CallbackOptions = {},
  ): Promise<Reception> {
    return postTo(url, new URLSearchParams(fields).toString(), {
      'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
      'x-twilio-signature': twilioSignature(this.#authToken, signedUrl, fields),
      'i-twilio-idempotency-token': randomBytes(16).toString('hex'),
    });
  }
}

/** www.twilio.com/docs/usage/security: the URL, then each name and value in the order of the names. */
export function twilioSignature(
  authToken: string,
  url: string,
  fields: Readonly<Record<string, string>>,
): string {
  const names = Object.keys(fields).sort();
  const signed = names.reduce((text, name) => text + name + fields[name], url);
  return createHmac('sha1', authToken).update(signed).digest('base64');
}
