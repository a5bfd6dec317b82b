import { EventDraft, IngestRequest, isValidJson, ok, outcome, problem, quote, textField } from "gtpack";

/** A request from outside becomes an event, or several. The host has checked its signature, if the bundle asks for one. */
export function ingest(text: string): string {
  const request = new IngestRequest(text);
  const body = request.body;
  if (request.bodyIsBase64 || !isValidJson(body)) return problem("json_invalid", "The body is not JSON.");
  const event = new EventDraft(body);
  event.eventType = request.eventType;
  // A delivery that is sent again is the same event.
  event.idempotencyKey = request.header("idempotency-key");
  return outcome([event]);
}

/** What flows call. The input was checked against its schema before. */
export function invoke(operation: string, input: string): string {
  if (operation == "greet") {
    const name = textField(input, "name");
    return ok('{"greeting":' + quote("Hello, " + (name === null ? "you" : name)) + "}");
  }
  return problem("operation_unknown", "The operation is greet.");
}
