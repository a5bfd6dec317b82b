import { IngestRequest, JsonWriter } from "gtpack";
import { Envelope } from "./settings";

/** A payload with parts of its request beside it: `{ body, method, path, handler, query, headers }`. */
export function wrapped(payload: string, request: IngestRequest, envelope: Envelope): string {
  const writer = new JsonWriter(payload.length + 512);
  writer.raw('{"body":');
  writer.raw(payload);
  if (envelope.method) {
    writer.raw(',"method":');
    writer.text(request.method);
  }
  if (envelope.path) {
    writer.raw(',"path":');
    writer.text(request.path);
    const handler = request.handler;
    writer.raw(',"handler":');
    if (handler === null) writer.raw("null");
    else writer.text(handler);
  }
  if (envelope.query) {
    writer.raw(',"query":');
    writer.raw(request.queryJson);
  }
  const names = envelope.headers;
  if (names.length > 0) {
    writer.raw(',"headers":{');
    let isFirst = true;
    for (let i = 0; i < names.length; i++) {
      const value = request.header(names[i]);
      if (value === null) continue;
      if (!isFirst) writer.raw(",");
      writer.text(names[i]);
      writer.raw(":");
      writer.text(value);
      isFirst = false;
    }
    writer.raw("}");
  }
  writer.raw("}");
  return writer.toString();
}
