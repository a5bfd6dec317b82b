/** The twin of ../../wrapped-ts/provider.ts: calls the SDK's functions of the host with what its input says, and shows what they gave. */
import {
  ArrayWalker,
  bus,
  decodeBase64,
  encodeBase64,
  EventDraft,
  field,
  http,
  HttpRequest,
  HttpResponse,
  JsonWriter,
  ObjectWalker,
  ok,
  parseDecimal,
  Problem,
  problem,
  quote,
  secrets,
  state,
  textField,
  Timer,
  timers,
  unquote,
} from "gtpack";

export function invoke(operation: string, input: string): string {
  if (operation == "http_send") return httpSend(input);
  if (operation == "bus_publish") return busPublish(input);
  if (operation == "timers_set") return timersSet(input);
  if (operation == "timers_clear") {
    const result = timers.clear(unquote(input));
    const failure = result.problem;
    return failure === null ? ok(result.value ? "true" : "false") : failure.envelope();
  }
  if (operation == "timers_list") {
    const after = textField(input, "after");
    const limit = field(input, "limit");
    const result = timers.list(after, limit === null ? 100 : <i32>parseDecimal(limit));
    const failure = result.problem;
    if (failure !== null) return failure.envelope();
    const next = result.value.next;
    return ok('{"timers":' + result.value.json + ',"next":' + (next === null ? "null" : quote(next)) + "}");
  }
  if (operation == "state_get") {
    const result = state.get(unquote(input));
    const failure = result.problem;
    return failure === null ? ok(result.value) : failure.envelope();
  }
  if (operation == "state_get_text") {
    const result = state.getText(unquote(input));
    const failure = result.problem;
    return failure === null ? ok(nullable(result.value)) : failure.envelope();
  }
  if (operation == "state_get_integer") {
    const result = state.getInteger(unquote(input), -1);
    const failure = result.problem;
    return failure === null ? ok(result.value.toString()) : failure.envelope();
  }
  if (operation == "state_set") {
    const value = field(input, "value");
    return done(state.set(text(input, "key"), value === null ? "null" : value));
  }
  if (operation == "state_set_text") return done(state.setText(text(input, "key"), text(input, "value")));
  if (operation == "state_set_integer") {
    const value = field(input, "value");
    return done(state.setInteger(text(input, "key"), value === null ? 0 : parseDecimal(value)));
  }
  if (operation == "state_delete") {
    const result = state.remove(unquote(input));
    const failure = result.problem;
    return failure === null ? ok(result.value ? "true" : "false") : failure.envelope();
  }
  if (operation == "secrets_get") {
    const result = secrets.get(unquote(input));
    const failure = result.problem;
    return failure === null ? ok(quote(result.value)) : failure.envelope();
  }
  if (operation == "value_of_problem") return ok(quote(secrets.get(unquote(input)).value));
  return problem("operation_unknown", operation);
}

function done(failure: Problem | null): string {
  return failure === null ? ok("null") : failure.envelope();
}

function text(input: string, key: string): string {
  const value = textField(input, key);
  return value === null ? "" : value;
}

function nullable(value: string | null): string {
  return value === null ? "null" : quote(value);
}

/** `input`: the request's parts; headers as a list of pairs. */
function httpSend(input: string): string {
  const method = textField(input, "method");
  const request = method === null ? new HttpRequest(text(input, "url")) : new HttpRequest(text(input, "url"), method);
  const walker = new ObjectWalker(input);
  while (walker.next()) {
    if (walker.keyIs("headers")) {
      const pairs = new ArrayWalker(walker.raw());
      while (pairs.next()) {
        const pair = new ArrayWalker(pairs.raw());
        pair.next();
        const name = unquote(pair.raw());
        pair.next();
        request.header(name, unquote(pair.raw()));
      }
    }
    if (walker.keyIs("text")) request.text(unquote(walker.raw()));
    if (walker.keyIs("json")) request.json(walker.raw());
    if (walker.keyIs("bytes")) {
      const bytes = decodeBase64(unquote(walker.raw()));
      if (bytes === null) return problem("input_invalid", "no base64");
      request.bytes(bytes);
    }
    if (walker.keyIs("zeros")) request.bytes(new Uint8Array(<i32>parseDecimal(walker.raw())));
    if (walker.keyIs("timeout")) request.timeout(parseDecimal(walker.raw()));
    if (walker.keyIs("auth")) request.auth(unquote(walker.raw()));
  }
  const result = http.send(request);
  const failure = result.problem;
  if (failure !== null) return failure.envelope();
  return shown(result.value);
}

/** Long bodies are only counted. */
function shown(response: HttpResponse): string {
  const body = response.body;
  const bytes = response.bytes();
  const isShort = body.length <= 1000;
  const writer = new JsonWriter();
  writer.raw('{"status":');
  writer.integer(response.status);
  writer.raw(response.isOk ? ',"ok":true' : ',"ok":false');
  writer.raw(response.bodyIsBase64 ? ',"base64":true' : ',"base64":false');
  writer.raw(',"type":');
  writer.raw(nullable(response.header("Content-Type")));
  writer.raw(',"proto":');
  writer.raw(nullable(response.header("toString")));
  writer.raw(',"units":');
  writer.integer(body.length);
  writer.raw(',"size":');
  writer.integer(bytes.length);
  writer.raw(',"body":');
  writer.raw(isShort ? quote(body) : "null");
  writer.raw(',"bytes":');
  writer.raw(isShort ? quote(encodeBase64(bytes)) : "null");
  const json = response.json();
  const failure = json.problem;
  writer.raw(failure === null ? ',"json":true}' : failure.retryable ? ',"json":"later"}' : ',"json":false}');
  return ok(writer.toString());
}

function draftOf(json: string): EventDraft {
  const payload = field(json, "payload");
  const event = new EventDraft(payload === null ? "null" : payload);
  event.eventType = textField(json, "event_type");
  event.id = textField(json, "id");
  event.metadata = field(json, "metadata");
  return event;
}

function busPublish(input: string): string {
  const events: EventDraft[] = [];
  const walker = new ArrayWalker(input);
  while (walker.next()) events.push(draftOf(walker.raw()));
  const result = bus.publish(events);
  const failure = result.problem;
  if (failure !== null) return failure.envelope();
  const ids = result.value;
  const writer = new JsonWriter();
  writer.raw("[");
  for (let i = 0; i < ids.length; i++) {
    if (i > 0) writer.raw(",");
    writer.text(ids[i]);
  }
  writer.raw("]");
  return ok(writer.toString());
}

function timersSet(input: string): string {
  const draft = field(input, "event");
  const event = draftOf(draft === null ? "{}" : draft);
  const at = field(input, "at");
  const after = field(input, "after_ms");
  const every = field(input, "every_ms");
  const id = text(input, "id");
  const timer =
    at !== null ? Timer.at(id, parseDecimal(at), event) : Timer.after(id, after === null ? 0 : parseDecimal(after), event);
  if (every !== null) timer.every(parseDecimal(every));
  const result = timers.set(timer);
  const failure = result.problem;
  return failure === null ? ok(result.value.toString()) : failure.envelope();
}
