/** The twin of ../../echo-ts/provider.ts: both give the same answers. */
import {
  ArrayWalker,
  configJson,
  decimal,
  EventDraft,
  IngestRequest,
  isValidJson,
  log,
  ok,
  outcome,
  parseDecimal,
  problem,
  quote,
  textField,
} from "gtpack";

export function ingest(text: string): string {
  const request = new IngestRequest(text);
  const body = request.body;
  if (request.bodyIsBase64 || !isValidJson(body)) return problem("json_invalid", "The body is not JSON.");
  const event = new EventDraft(body);
  event.eventType = request.eventType;
  event.idempotencyKey = request.header("idempotency-key");
  const verified = request.verified;
  if (verified !== null) event.metadata = '{"verified":' + quote(verified) + "}";
  return outcome([event]);
}

export function tick(text: string): string {
  const event = new EventDraft(text);
  event.eventType = "echo.tick";
  return outcome([event]);
}

export function handle(text: string): string {
  const event = new EventDraft(text);
  event.eventType = "echo.handled";
  return outcome([event]);
}

export function invoke(operation: string, input: string): string {
  if (operation == "echo") return ok(input);
  if (operation == "sum") return sum(input);
  if (operation == "fail") return problem("asked_to_fail", "It was asked to fail.", true);
  if (operation == "throw") throw new Error("It was asked to throw.");
  if (operation == "log") {
    const message = textField(input, "message");
    log.info(message === null ? "" : message);
    return ok("null");
  }
  if (operation == "config") return ok(configJson());
  return problem("operation_unknown", 'There is no operation "' + operation + '".');
}

function sum(input: string): string {
  const numbers = new ArrayWalker(input);
  let total: i64 = 0;
  while (numbers.next()) total += parseDecimal(numbers.raw());
  return ok(decimal(total));
}
