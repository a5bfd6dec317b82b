/** The SDK's JSON functions, laid open for tests. */
import {
  ArrayWalker,
  asciiLower,
  decimal,
  decodeBase64,
  encodeBase64,
  encodeUtf8,
  EventDraft,
  field,
  isInteger,
  isValidJson,
  jsonFault,
  JsonWriter,
  ObjectWalker,
  outcome,
  parseDecimal,
  quote,
  Response,
  textField,
  unquote,
} from "gtpack";

export function invoke(operation: string, input: string): string {
  if (operation == "valid") return isValidJson(input) ? "true" : "false";
  if (operation == "fault") {
    const fault = jsonFault(input);
    return fault === null ? "null" : decimal(fault.position) + (fault.isTooDeep ? " too deep" : "");
  }
  if (operation == "quote") return quote(input);
  if (operation == "unquote") return unquote(input);
  if (operation == "lower") return asciiLower(input);
  if (operation == "decimal") return decimal(parseDecimal(input));
  if (operation == "is integer") return isInteger(input) ? "true" : "false";
  if (operation == "utf8 as base64") return encodeBase64(encodeUtf8(input));
  if (operation == "base64") {
    const bytes = decodeBase64(input);
    return bytes === null ? "none" : encodeBase64(bytes);
  }
  if (operation == "members") return members(input);
  if (operation == "elements") return elements(input);
  if (operation == "name") {
    const name = textField(input, "name");
    return name === null ? "none" : "text " + name;
  }
  if (operation == "value") {
    const value = field(input, "value");
    return value === null ? "none" : value;
  }
  if (operation == "full outcome") return fullOutcome(input);
  return "?";
}

/** An object's members, rebuilt from what the walker gave. */
function members(text: string): string {
  const writer = new JsonWriter(1);
  const walker = new ObjectWalker(text);
  let count = 0;
  while (walker.next()) {
    writer.raw(count++ == 0 ? "{" : ",");
    const key = walker.key();
    if (!walker.keyIs(key) || walker.keyIs(key + "x")) return "keyIs is wrong";
    writer.text(key);
    writer.raw(":");
    writer.raw(walker.raw());
  }
  writer.raw(count == 0 ? "{}" : "}");
  return writer.toString();
}

function elements(text: string): string {
  const writer = new JsonWriter(1);
  const walker = new ArrayWalker(text);
  let count = 0;
  while (walker.next()) {
    writer.raw(count++ == 0 ? "[" : ",");
    writer.raw(walker.raw());
  }
  writer.raw(count == 0 ? "[]" : "]");
  return writer.toString();
}

function fullOutcome(payload: string): string {
  const event = new EventDraft(payload);
  event.eventType = "a.b";
  event.id = 'id "1"';
  event.idempotencyKey = "key";
  event.timestamp = 1790000000000;
  event.metadata = '{"by":"probe"}';
  const response = new Response(201, 'made "it"');
  response.headers = ["content-type", "text/plain", "x-a", "b"];
  return outcome([event, new EventDraft("null")], response);
}
