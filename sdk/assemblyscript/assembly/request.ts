import { ObjectWalker } from "./json";
import { QUOTE, unescapeSpan } from "./scan";
import { parseDecimal } from "./text";

const NAMES: StaticArray<string> = [
  "body",
  "headers",
  "event_type",
  "handler",
  "query",
  "method",
  "path",
  "received_at",
  "body_encoding",
  "verified",
];
const BODY: i32 = 0;
const HEADERS: i32 = 1;
const EVENT_TYPE: i32 = 2;
const HANDLER: i32 = 3;
const QUERY: i32 = 4;
const METHOD: i32 = 5;
const PATH: i32 = 6;
const RECEIVED_AT: i32 = 7;
const BODY_ENCODING: i32 = 8;
const VERIFIED: i32 = 9;

/** The request that `ingest` got. Reading it walks the text once; a value is made when it is asked for. */
export class IngestRequest {
  /** Where the value of each name starts and, exclusively, ends; 0 and 0 where there is none. */
  private spans: StaticArray<i32> = new StaticArray<i32>(20);

  constructor(private text: string) {
    const walker = new ObjectWalker(text);
    while (walker.next()) {
      for (let name = 0; name < NAMES.length; name++) {
        if (!walker.keyIs(NAMES[name])) continue;
        this.spans[name << 1] = walker.start;
        this.spans[(name << 1) + 1] = walker.stop;
        break;
      }
    }
  }

  /** Last part of `/v1/events/ingress/{provider}/{tenant}/{handler}`; null on the short path. */
  get handler(): string | null {
    return this.optionalText(HANDLER);
  }

  /** From `/events/webhook/{tenant}/{event_type}`, checked by the host; null on the long path. */
  get eventType(): string | null {
    return this.optionalText(EVENT_TYPE);
  }

  /** In upper case. */
  get method(): string {
    return this.textOf(METHOD);
  }

  /** Without the query. */
  get path(): string {
    return this.textOf(PATH);
  }

  /** Text, or base64 if `bodyIsBase64`; empty without a body. */
  get body(): string {
    return this.textOf(BODY);
  }

  /** Whether the body's bytes were not UTF-8, so that `body` is base64. */
  get bodyIsBase64(): bool {
    return this.textOf(BODY_ENCODING) == "base64";
  }

  /** The scheme by which the host checked who signed it, as the bundle calls it; null where the bundle asks for no signature. */
  get verified(): string | null {
    return this.optionalText(VERIFIED);
  }

  /** Milliseconds since the Unix epoch, UTC. */
  get receivedAt(): i64 {
    return parseDecimal(this.text.substring(this.spans[RECEIVED_AT << 1], this.spans[(RECEIVED_AT << 1) + 1]));
  }

  /** A header by its lower-case name; null where there is none. */
  header(name: string): string | null {
    return this.member(HEADERS, name);
  }

  /** A parameter of the query; null where there is none. */
  query(name: string): string | null {
    return this.member(QUERY, name);
  }

  /** The whole query, as a JSON object. */
  get queryJson(): string {
    const start = this.spans[QUERY << 1];
    return start == 0 ? "{}" : this.text.substring(start, this.spans[(QUERY << 1) + 1]);
  }

  private member(object: i32, name: string): string | null {
    const start = this.spans[object << 1];
    if (start == 0) return null;
    const walker = new ObjectWalker(this.text, start);
    while (walker.next()) {
      if (walker.keyIs(name)) return walker.textValue();
    }
    return null;
  }

  private optionalText(name: i32): string | null {
    const start = this.spans[name << 1];
    return start > 0 && this.text.charCodeAt(start) == QUOTE ? this.textOf(name) : null;
  }

  private textOf(name: i32): string {
    const text = changetype<usize>(this.text);
    return unescapeSpan(text + (<usize>(this.spans[name << 1] + 1) << 1), text + (<usize>(this.spans[(name << 1) + 1] - 1) << 1));
  }
}
