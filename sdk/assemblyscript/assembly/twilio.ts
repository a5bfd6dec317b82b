import { JsonWriter, textField } from "./json";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";

// @ts-ignore: decorator
@external("gtpack:plugin/twilio@0.1.0", "send")
declare function hostSend(message: string): string;

// @ts-ignore: decorator
@lazy
const SEND = "twilio.send";

/** An SMS to be sent. Numbers are in E.164, such as `+41791234567`. */
export class SmsMessage {
  /** The number or name that it comes from; null for the one that is granted. */
  from: string | null = null;
  /** A messaging service to choose the sender; null for none. */
  messagingServiceSid: string | null = null;
  /** Whether what becomes of it comes back as events. */
  statusCallback: bool = false;

  constructor(public to: string, public body: string) {}

  /** The document that `twilio.send` of the contract takes. */
  toJson(): string {
    const from = this.from;
    const service = this.messagingServiceSid;
    const writer = new JsonWriter(this.body.length + 256);
    writer.raw('{"to":');
    writer.text(this.to);
    if (from !== null) {
      writer.raw(',"from":');
      writer.text(from);
    }
    if (service !== null) {
      writer.raw(',"messaging_service_sid":');
      writer.text(service);
    }
    writer.raw(',"body":');
    writer.text(this.body);
    if (this.statusCallback) writer.raw(',"status_callback":true');
    writer.raw("}");
    return writer.toString();
  }
}

/** What Twilio said of an SMS that it took. */
export class SmsReceipt {
  constructor(public sid: string, public status: string) {}
}

/** SMS through Twilio's Messages API. */
export namespace twilio {
  export function send(message: SmsMessage): Result<SmsReceipt> {
    const envelope = hostSend(message.toJson());
    const failure = problemIn(envelope, SEND);
    if (failure !== null) return failed<SmsReceipt>(failure);
    const json = okIn(envelope);
    const sid = textField(json, "sid");
    const status = textField(json, "status");
    if (sid === null || status === null) return failed<SmsReceipt>(wrongAnswer(SEND));
    return succeeded<SmsReceipt>(new SmsReceipt(sid, status));
  }
}
