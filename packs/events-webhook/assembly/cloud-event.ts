import { EventDraft, field, isValidJson, JsonWriter, ObjectWalker, quote, textField, IngestRequest } from "gtpack";

/** An event of CloudEvents 1.0 (HTTP binding 1.0.2), as its type, its key and what it carries; null where the request is none. */
export class CloudEvent {
  type: string = "";
  /** Source and id, which together are unique. */
  key: string = "";
  payload: string = "null";
  /** `{ cloudevent: { … } }` */
  metadata: string = "{}";
}

/** Structured mode: the whole event is one JSON object. */
export function structured(json: string): CloudEvent | null {
  const type = textField(json, "type");
  const id = textField(json, "id");
  const source = textField(json, "source");
  if (type === null || id === null || source === null || textField(json, "specversion") === null) return null;
  const event = new CloudEvent();
  event.type = type;
  event.key = source + " " + id;
  const data = field(json, "data");
  const base64 = field(json, "data_base64");
  event.payload = data !== null ? data : base64 !== null ? base64 : "null";
  const writer = new JsonWriter(json.length);
  writer.raw('{"cloudevent":{');
  let isFirst = true;
  const walker = new ObjectWalker(json);
  while (walker.next()) {
    if (walker.keyIs("data") || walker.keyIs("data_base64")) continue;
    if (!isFirst) writer.raw(",");
    writer.text(walker.key());
    writer.raw(":");
    writer.raw(walker.raw());
    isFirst = false;
  }
  writer.raw(data === null && base64 !== null ? ',"encoding":"base64"}}' : "}}");
  event.metadata = writer.toString();
  return event;
}

/** Binary mode: the attributes are headers, the payload is the body. */
export function binary(request: IngestRequest, payload: string): CloudEvent | null {
  const type = request.header("ce-type");
  const id = request.header("ce-id");
  const source = request.header("ce-source");
  if (type === null || id === null || source === null || request.header("ce-specversion") === null) return null;
  const event = new CloudEvent();
  event.type = type;
  event.key = source + " " + id;
  event.payload = payload;
  const writer = new JsonWriter();
  writer.raw('{"cloudevent":{"type":');
  writer.text(type);
  writer.raw(',"id":');
  writer.text(id);
  writer.raw(',"source":');
  writer.text(source);
  for (let i = 0; i < OPTIONAL.length; i++) {
    const value = request.header("ce-" + OPTIONAL[i]);
    if (value === null) continue;
    writer.raw(",");
    writer.text(OPTIONAL[i]);
    writer.raw(":");
    writer.text(value);
  }
  writer.raw("}}");
  event.metadata = writer.toString();
  return event;
}

const OPTIONAL: StaticArray<string> = ["specversion", "time", "subject", "dataschema", "traceparent", "tracestate", "partitionkey"];
