/** Posts events to URLs: the other direction of a webhook. Signing is the host's, by the grant. */
import {
  configJson,
  configText,
  decimal,
  field,
  http,
  HttpRequest,
  isInteger,
  JsonWriter,
  ObjectWalker,
  ok,
  parseDecimal,
  problem,
  quote,
  textField,
} from "gtpack";
import { messageOf } from "./message";

export function invoke(operation: string, input: string): string {
  if (operation != "publish") return problem("operation_unknown", "There is no operation " + quote(operation) + ".");
  const own = textField(input, "url");
  const url = own === null ? configText("url") : own;
  if (url === null) return problem("webhook_url_missing", "url: a URL was expected, here or in the config; none came.");
  // The host has held the input against its schema.
  const event = field(input, "event");
  const id: string | null = event === null ? null : textField(event, "id");
  if (event === null || id === null) return problem("webhook_event_missing", "event: an event with an id was expected; none came.");

  const message = messageOf(event, formatOf(input));
  const webhookId = webhookIdOf(id);
  const request = new HttpRequest(url, "POST").header("content-type", message.contentType);
  addHeaders(request, field(configJson(), "headers"));
  addHeaders(request, field(input, "headers"));
  // The same for each attempt, so that a receiver knows what it has.
  request.header("webhook-id", webhookId).text(message.body);
  const timeout = field(configJson(), "timeout_ms");
  if (timeout !== null && isInteger(timeout)) request.timeout(parseDecimal(timeout));

  const sent = http.send(request);
  const failure = sent.problem;
  if (failure !== null) return failure.envelope();
  return receipt(sent.value.status, webhookId);
}

function formatOf(input: string): string {
  const own = textField(input, "format");
  if (own !== null) return own;
  const configured = configText("format");
  return configured === null ? "standard-webhooks" : configured;
}

/** Letters, digits, `_` and `-`: what the specification signs and receivers store. */
function webhookIdOf(eventId: string): string {
  let id = "";
  for (let i = 0; i < eventId.length; i++) {
    const unit = eventId.charCodeAt(i);
    const lower = unit | 0x20;
    const isKept = (lower >= 0x61 && lower <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit == 0x5f || unit == 0x2d;
    id += isKept ? String.fromCharCode(unit) : "-";
  }
  return id;
}

function addHeaders(request: HttpRequest, headers: string | null): void {
  if (headers === null) return;
  const walker = new ObjectWalker(headers);
  while (walker.next()) {
    const value = walker.textValue();
    if (value !== null) request.header(walker.key(), value);
  }
}

/** By the statuses that Standard Webhooks gives a meaning. */
function receipt(status: i32, webhookId: string): string {
  if (status >= 200 && status <= 299) {
    const writer = new JsonWriter();
    writer.raw('{"status":');
    writer.integer(status);
    writer.raw(',"webhook_id":');
    writer.text(webhookId);
    writer.raw("}");
    return ok(writer.toString());
  }
  if (status == 410) return problem("webhook_gone", "The receiver answered 410: it wants no more of these.");
  const isLater = status == 408 || status == 429 || status >= 500;
  return problem("webhook_refused", "The receiver answered " + decimal(status) + ".", isLater);
}
