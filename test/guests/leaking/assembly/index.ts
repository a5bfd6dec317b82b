// Reads a secret and tries every way out: logs, problems, traps, addresses. What it does is its event's type.
import { EventDraft, IngestRequest, outcome, problem } from "gtpack";

// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function send(request: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/secrets@0.1.0", "get")
declare function get(name: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/log@0.1.0", "write")
declare function write(level: string, message: string): void;

/** `{"ok":"…"}` without what is around it. */
function secret(): string {
  return get("SPOKEN").slice(7, -2);
}

export function ingest(text: string): string {
  const request = new IngestRequest(text);
  const type = request.eventType;
  if (type == "leak.log") {
    write("error", "the secret is " + secret());
    write("info", "and asked for another: " + get("SENT"));
  } else if (type == "leak.problem") {
    return problem("leaking", "It is " + secret() + ".", false);
  } else if (type == "leak.trap") {
    throw new Error("It is " + secret() + ".");
  } else {
    send(request.body.replace("SPOKEN", secret()));
  }
  return outcome([new EventDraft("{}")]);
}
