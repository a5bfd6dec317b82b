/** Turns any HTTP request into one event. */
import { decimal, EventDraft, IngestRequest, outcome, problem } from "gtpack";
import { chooseEventType } from "./event-type";
import { payloadOf } from "./payload";

/** What the host allows. */
const MAX_IDEMPOTENCY_KEY: i32 = 1024;

export function ingest(text: string): string {
  const request = new IngestRequest(text);

  const choice = chooseEventType(request);
  if (choice.fault !== null) return problem("event_type_invalid", <string>choice.fault);

  const key = request.header("idempotency-key");
  if (key !== null && key.length > MAX_IDEMPOTENCY_KEY) {
    return problem(
      "idempotency_key_invalid",
      "The header idempotency-key was expected to be at most 1024 characters long, got " + decimal(key.length) + ".",
    );
  }

  const payload = payloadOf(request);
  if (payload.faultCode !== null) return problem(<string>payload.faultCode, payload.faultMessage);

  const event = new EventDraft(payload.json);
  event.eventType = choice.eventType;
  if (key !== null && key.length > 0) event.idempotencyKey = key;
  return outcome([event]);
}
