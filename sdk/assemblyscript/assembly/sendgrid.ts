import { field, unquote } from "./json";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";
import { isInteger, parseDecimal } from "./text";

// @ts-ignore: decorator
@external("gtpack:plugin/sendgrid@0.1.0", "send")
declare function hostSend(request: string): string;

// @ts-ignore: decorator
@lazy
const SEND = "sendgrid.send";

/** What SendGrid said of a message that it took. */
export class MailReceipt {
  /** `status`: 202, or 200 for a message that was only checked. `messageId`: the vendor's id of it; null without one. */
  constructor(public status: i32, public messageId: string | null) {}
}

/** Email through SendGrid's v3 Mail Send; its key stays in the host. */
export namespace sendgrid {
  /** `mail`: the JSON body of Mail Send as its vendor documents it. */
  export function send(mail: string): Result<MailReceipt> {
    const envelope = hostSend(mail);
    const failure = problemIn(envelope, SEND);
    if (failure !== null) return failed<MailReceipt>(failure);
    const json = okIn(envelope);
    const status = field(json, "status");
    const id = field(json, "message_id");
    if (status === null || !isInteger(status) || id === null) return failed<MailReceipt>(wrongAnswer(SEND));
    const isText = id.charCodeAt(0) == QUOTE;
    if (!isText && id != "null") return failed<MailReceipt>(wrongAnswer(SEND));
    return succeeded<MailReceipt>(new MailReceipt(<i32>parseDecimal(status), isText ? unquote(id) : null));
  }
}
