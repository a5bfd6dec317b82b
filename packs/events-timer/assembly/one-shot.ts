/** One-shot timers that flows set: a durable timer of the provider's own for each, through the `timers` capability. */
import {
  EventDraft,
  field,
  isInteger,
  JsonWriter,
  ObjectWalker,
  ok,
  parseDecimal,
  problem,
  textField,
  Timer,
  timers,
} from "gtpack";

/** Sets a timer: `{ id, event_type, at | after_ms, payload?, metadata? }` gives `{ id, due_at }`. */
export function schedule(input: string): string {
  const fault = keyFault(input, ["id", "event_type", "at", "after_ms", "payload", "metadata"]);
  if (fault !== null) return invalid(fault);
  const id = textField(input, "id");
  if (id === null) return invalid("id: a text was expected, the same one to set the timer again.");
  const eventType = textField(input, "event_type");
  if (eventType === null) return invalid("event_type: the type of the event was expected, such as \"reminder.due\".");
  const at = given(input, "at");
  const after = given(input, "after_ms");
  if ((at === null) == (after === null)) {
    return invalid("One of at and after_ms was expected; " + (at === null ? "neither" : "both") + " came.");
  }
  const ms = at === null ? after! : at;
  if (!isInteger(ms)) return invalid((at === null ? "after_ms" : "at") + ": a whole number of milliseconds was expected.");
  const payload = field(input, "payload");
  const event = new EventDraft(payload === null ? "{}" : payload);
  event.eventType = eventType;
  const metadata = given(input, "metadata");
  if (metadata !== null) event.metadata = metadata;
  const result = timers.set(at === null ? Timer.after(id, parseDecimal(ms), event) : Timer.at(id, parseDecimal(ms), event));
  const failure = result.problem;
  if (failure !== null) return failure.envelope();
  const writer = new JsonWriter(id.length + 64);
  writer.raw('{"id":');
  writer.text(id);
  writer.raw(',"due_at":');
  writer.integer(result.value);
  writer.raw("}");
  return ok(writer.toString());
}

/** Takes a timer away: `{ id }` gives `{ id, cancelled }`, false where there was none, or it has fired. */
export function cancel(input: string): string {
  const fault = keyFault(input, ["id"]);
  if (fault !== null) return invalid(fault);
  const id = textField(input, "id");
  if (id === null) return invalid("id: the id of the timer was expected, a text.");
  const result = timers.clear(id);
  const failure = result.problem;
  if (failure !== null) return failure.envelope();
  const writer = new JsonWriter(id.length + 64);
  writer.raw('{"id":');
  writer.text(id);
  writer.raw(result.value ? ',"cancelled":true}' : ',"cancelled":false}');
  return ok(writer.toString());
}

/** A page of the timers that are set: `{ after?, limit? }` gives `{ timers: [{ id, due_at, every_ms, event_type }], next }`. */
export function list(input: string): string {
  const fault = keyFault(input, ["after", "limit"]);
  if (fault !== null) return invalid(fault);
  const limit = given(input, "limit");
  if (limit !== null && !isInteger(limit)) return invalid("limit: a whole number from 1 to 100 was expected.");
  const after = textField(input, "after");
  if (after === null && given(input, "after") !== null) return invalid("after: the next of a page was expected, a text.");
  const most = limit === null ? 100 : parseDecimal(limit);
  const result = timers.list(after, <i32>(most < 0 || most > 1000 ? 0 : most));
  const failure = result.problem;
  if (failure !== null) return failure.envelope();
  const page = result.value;
  const writer = new JsonWriter(page.json.length + 64);
  writer.raw('{"timers":');
  writer.raw(page.json);
  writer.raw(',"next":');
  const next = page.next;
  if (next === null) writer.raw("null");
  else writer.text(next);
  writer.raw("}");
  return ok(writer.toString());
}

function invalid(message: string): string {
  return problem("input_invalid", message);
}

/** A field; null also where its value is null, as templates write it. */
function given(input: string, name: string): string | null {
  const value = field(input, name);
  return value === null || value == "null" ? null : value;
}

/** What is wrong with the input's shape; null where nothing is. */
function keyFault(input: string, known: string[]): string | null {
  if (input.length == 0 || input.charCodeAt(0) != 0x7b) return "An object was expected with " + known.join(", ") + ".";
  const walker = new ObjectWalker(input);
  while (walker.next()) {
    const key = walker.key();
    if (!known.includes(key)) return "The key \"" + key.slice(0, 64) + "\" is unknown. Known: " + known.join(", ") + ".";
  }
  return null;
}
