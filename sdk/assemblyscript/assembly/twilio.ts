import { field, JsonWriter, textField, unquote } from "./json";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";
import { isInteger, parseDecimal } from "./text";

// @ts-ignore: decorator
@external("gtpack:plugin/twilio@0.1.0", "send")
declare function hostSend(request: string): string;

// @ts-ignore: decorator
@lazy
const SEND = "twilio.send";

/** A message to be sent; numbers are in E.164, such as `+41791234567`. What is null or empty is left out. */
export class SmsMessage {
  /** The number or name that it comes from; null for the only one that is granted. */
  from: string | null = null;
  /** A messaging service to choose the sender; null for none. */
  messagingServiceSid: string | null = null;
  /** At most 10, https. */
  mediaUrls: string[] = [];
  /** Whether what becomes of it goes to the URL of the grant. */
  statusCallback: bool = false;
  /** The URL of the grant with a query, in place of `statusCallback`. */
  statusCallbackUrl: string | null = null;
  /** Seconds, 1 to 36,000; 0 for Twilio's own. */
  validityPeriod: i32 = 0;
  /** RFC 3339, with a messaging service; null for at once. */
  sendAt: string | null = null;
  /** A template of Twilio's. */
  contentSid: string | null = null;
  /** JSON of an object of texts. */
  contentVariables: string | null = null;

  /** `body`: at most 1,600 characters; null for media or a template alone. */
  constructor(public to: string, public body: string | null = null) {}

  /** The document that `twilio.send` of the contract takes. */
  toJson(): string {
    const body = this.body;
    const callback = this.statusCallbackUrl;
    const media = this.mediaUrls;
    const variables = this.contentVariables;
    const writer = new JsonWriter((body === null ? 0 : body.length) + 256);
    writer.raw('{"to":');
    writer.text(this.to);
    optional(writer, ',"from":', this.from);
    optional(writer, ',"messaging_service_sid":', this.messagingServiceSid);
    optional(writer, ',"body":', body);
    for (let i = 0; i < media.length; i++) {
      writer.raw(i == 0 ? ',"media_urls":[' : ",");
      writer.text(media[i]);
    }
    if (media.length > 0) writer.raw("]");
    if (callback !== null) optional(writer, ',"status_callback":', callback);
    else if (this.statusCallback) writer.raw(',"status_callback":true');
    if (this.validityPeriod != 0) {
      writer.raw(',"validity_period":');
      writer.integer(this.validityPeriod);
    }
    optional(writer, ',"send_at":', this.sendAt);
    if (this.sendAt !== null) writer.raw(',"schedule_type":"fixed"');
    optional(writer, ',"content_sid":', this.contentSid);
    if (variables !== null) {
      writer.raw(',"content_variables":');
      writer.raw(variables);
    }
    writer.raw("}");
    return writer.toString();
  }
}

function optional(writer: JsonWriter, key: string, value: string | null): void {
  if (value === null) return;
  writer.raw(key);
  writer.text(value);
}

/** What Twilio said of a message that it took. */
export class SmsReceipt {
  /** -1 where Twilio does not know yet. */
  numSegments: i32 = -1;
  /** -1 where Twilio does not know yet. */
  numMedia: i32 = -1;
  /** 0 for none. */
  errorCode: i32 = 0;
  messagingServiceSid: string | null = null;

  /** `status`: `queued`, `accepted`, `scheduled`, … */
  constructor(public sid: string, public status: string) {}
}

/** SMS and MMS through Twilio's Messages API; its token stays in the host. */
export namespace twilio {
  export function send(message: SmsMessage): Result<SmsReceipt> {
    const envelope = hostSend(message.toJson());
    const failure = problemIn(envelope, SEND);
    if (failure !== null) return failed<SmsReceipt>(failure);
    const json = okIn(envelope);
    const sid = textField(json, "sid");
    const status = textField(json, "status");
    if (sid === null || status === null) return failed<SmsReceipt>(wrongAnswer(SEND));
    const segments = field(json, "num_segments");
    const media = field(json, "num_media");
    const error = field(json, "error_code");
    const service = field(json, "messaging_service_sid");
    if (!isCount(segments) || !isCount(media) || !isCount(error) || !isText(service))
      return failed<SmsReceipt>(wrongAnswer(SEND));
    const receipt = new SmsReceipt(sid, status);
    receipt.numSegments = count(segments, -1);
    receipt.numMedia = count(media, -1);
    receipt.errorCode = count(error, 0);
    if (service !== null && service != "null") receipt.messagingServiceSid = unquote(service);
    return succeeded<SmsReceipt>(receipt);
  }
}

function isCount(raw: string | null): bool {
  return raw === null || raw == "null" || isInteger(raw);
}

function isText(raw: string | null): bool {
  return raw === null || raw == "null" || raw.charCodeAt(0) == QUOTE;
}

function count(raw: string | null, otherwise: i32): i32 {
  return raw === null || raw == "null" ? otherwise : <i32>parseDecimal(raw);
}
