import { JsonWriter } from "./json";

/** An event as a provider gives it; the host adds the rest. */
export class EventDraft {
  /** Dot-separated tokens of a-z, 0-9, _ and -; null for the request's event type. */
  eventType: string | null = null;
  /** Null for one that the host makes. */
  id: string | null = null;
  /** 1 to 1,024 characters; the same key within the bundle's window is processed once. */
  idempotencyKey: string | null = null;
  /** Milliseconds since the Unix epoch, UTC; negative for when the request was received, or the tick scheduled. */
  timestamp: i64 = -1;
  /** A JSON object. */
  metadata: string | null = null;

  /** `payload`: any JSON. It is passed on as it stands, so it has to be valid: see `jsonFault`. */
  constructor(public payload: string) {}

  writeTo(writer: JsonWriter): void {
    writer.raw("{");
    writeText(writer, '"event_type":', this.eventType);
    writeText(writer, '"id":', this.id);
    writeText(writer, '"idempotency_key":', this.idempotencyKey);
    if (this.timestamp >= 0) {
      writer.raw('"timestamp":');
      writer.integer(this.timestamp);
      writer.raw(",");
    }
    const metadata = this.metadata;
    if (metadata !== null) {
      writer.raw('"metadata":');
      writer.raw(metadata);
      writer.raw(",");
    }
    writer.raw('"payload":');
    writer.raw(this.payload);
    writer.raw("}");
  }
}

function writeText(writer: JsonWriter, key: string, text: string | null): void {
  if (text === null) return;
  writer.raw(key);
  writer.text(text);
  writer.raw(",");
}

/** The answer to the sender of a request that needs one. */
export class Response {
  /** Names and values, in turn. */
  headers: string[] = [];

  constructor(public status: i32, public body: string = "") {}

  writeTo(writer: JsonWriter): void {
    writer.raw('{"status":');
    writer.integer(this.status);
    writer.raw(',"headers":{');
    const headers = this.headers;
    for (let i = 0; i + 1 < headers.length; i += 2) {
      if (i > 0) writer.raw(",");
      writer.text(headers[i]);
      writer.raw(":");
      writer.text(headers[i + 1]);
    }
    writer.raw('},"body":');
    writer.text(this.body);
    writer.raw("}");
  }
}

/** What `ingest`, `tick` and `handle` return when it went well. */
export function outcome(events: EventDraft[], response: Response | null = null): string {
  let units = 64;
  for (let i = 0; i < events.length; i++) units += events[i].payload.length + 384;
  const writer = new JsonWriter(units);
  writer.raw('{"ok":{"events":[');
  for (let i = 0; i < events.length; i++) {
    if (i > 0) writer.raw(",");
    events[i].writeTo(writer);
  }
  writer.raw("]");
  if (response !== null) {
    writer.raw(',"response":');
    response.writeTo(writer);
  }
  writer.raw("}}");
  return writer.toString();
}

/** What `invoke` returns when it went well. `json`: any JSON. */
export function ok(json: string): string {
  return '{"ok":' + json + "}";
}

/** What any of them returns when it cannot do what was asked. `code` is snake_case; the message reaches the sender. */
export function problem(code: string, message: string, retryable: bool = false): string {
  const writer = new JsonWriter(message.length + 128);
  writer.raw('{"err":{"code":');
  writer.text(code);
  writer.raw(',"message":');
  writer.text(message);
  writer.raw(retryable ? ',"retryable":true}}' : ',"retryable":false}}');
  return writer.toString();
}
