import { field, unquote } from "./json";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";

// @ts-ignore: decorator
@external("gtpack:plugin/sendgrid@0.1.0", "send")
declare function hostSend(message: string): string;

// @ts-ignore: decorator
@lazy
const SEND = "sendgrid.send";

/** Email through SendGrid's v3 Mail Send. */
export namespace sendgrid {
  /** `message`: the JSON body of Mail Send as its vendor documents it. Gives the vendor's id of the message; null without one. */
  export function send(message: string): Result<string | null> {
    const envelope = hostSend(message);
    const failure = problemIn(envelope, SEND);
    if (failure !== null) return failed<string | null>(failure);
    const id = field(okIn(envelope), "message_id");
    if (id === null) return failed<string | null>(wrongAnswer(SEND));
    if (id == "null") return succeeded<string | null>(null);
    return id.charCodeAt(0) == QUOTE
      ? succeeded<string | null>(unquote(id))
      : failed<string | null>(wrongAnswer(SEND));
  }
}
