import { decodeBase64, encodeBase64, encodeUtf8 } from "./base64";
import { isValidJson, JsonWriter, ObjectWalker } from "./json";
import { failed, OK_START, Problem, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { OPEN_BRACE, QUOTE, unescapeSpan } from "./scan";
import { asciiLower, parseDecimal } from "./text";

// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function hostSend(request: string): string;

// @ts-ignore: decorator
@lazy
const SEND = "http.send";

/** A request to be sent; each part is set once and in any order, the last one counts. */
export class HttpRequest {
  /** Names, as they were given, and values, in turn. */
  private headers: string[] = [];
  private body: string | null = null;
  private bodyIsBase64: bool = false;
  private bodyIsJson: bool = false;
  private hasTimeout: bool = false;
  private timeoutMs: i64 = 0;
  private secret: string | null = null;

  /** `url`: absolute, http or https. `method`: in capitals. */
  constructor(public url: string, public method: string = "GET") {}

  /** Takes the place of an earlier header of that name, whatever the case of its letters. */
  header(name: string, value: string): HttpRequest {
    const headers = this.headers;
    const lower = asciiLower(name);
    for (let i = 0; i < headers.length; i += 2) {
      if (asciiLower(headers[i]) != lower) continue;
      headers[i] = name;
      headers[i + 1] = value;
      return this;
    }
    headers.push(name);
    headers.push(value);
    return this;
  }

  /** A body of text, sent as UTF-8. */
  text(body: string): HttpRequest {
    return this.withBody(body, false, false);
  }

  /** A body of JSON, as it stands; `content-type` is `application/json` unless there is such a header. */
  json(json: string): HttpRequest {
    return this.withBody(json, false, true);
  }

  /** A body of any bytes. They are copied. */
  bytes(body: Uint8Array): HttpRequest {
    return this.withBody(encodeBase64(body), true, false);
  }

  /** Milliseconds, at least 1, until the call gives up. Shortens the grant's time, never lengthens it. */
  timeout(ms: i64): HttpRequest {
    this.hasTimeout = true;
    this.timeoutMs = ms;
    return this;
  }

  /** Name of a secret in the grant's `auth` to send along; left out, the first that goes to the URL's host. */
  auth(secret: string): HttpRequest {
    this.secret = secret;
    return this;
  }

  /** The document that `http.send` of the contract takes. */
  toJson(): string {
    const body = this.body;
    const secret = this.secret;
    const writer = new JsonWriter(this.url.length + (body === null ? 0 : body.length) + 256);
    writer.raw('{"method":');
    writer.text(this.method);
    writer.raw(',"url":');
    writer.text(this.url);
    this.writeHeaders(writer);
    if (body !== null) {
      writer.raw(',"body":');
      writer.text(body);
      if (this.bodyIsBase64) writer.raw(',"body_encoding":"base64"');
    }
    if (this.hasTimeout) {
      writer.raw(',"timeout_ms":');
      writer.integer(this.timeoutMs);
    }
    if (secret !== null) {
      writer.raw(',"auth":');
      writer.text(secret);
    }
    writer.raw("}");
    return writer.toString();
  }

  private withBody(body: string, isBase64: bool, isJson: bool): HttpRequest {
    this.body = body;
    this.bodyIsBase64 = isBase64;
    this.bodyIsJson = isJson;
    return this;
  }

  private writeHeaders(writer: JsonWriter): void {
    const headers = this.headers;
    let needsType = this.bodyIsJson;
    for (let i = 0; i < headers.length; i += 2) {
      writer.raw(i == 0 ? ',"headers":{' : ",");
      writer.text(headers[i]);
      writer.raw(":");
      writer.text(headers[i + 1]);
      if (needsType && asciiLower(headers[i]) == "content-type") needsType = false;
    }
    if (needsType) {
      writer.raw(headers.length == 0 ? ',"headers":{' : ",");
      writer.raw('"content-type":"application/json"');
    }
    if (needsType || headers.length > 0) writer.raw("}");
  }
}

/** What a server answered, whatever the status. Its parts are made when they are asked for. */
export class HttpResponse {
  /** As the server sent it, such as 200 or 404. */
  status: i32 = 0;
  /** Whether the body's bytes are not UTF-8, so that `body` is base64. */
  bodyIsBase64: bool = false;
  private headersStart: i32 = 0;
  private bodyStart: i32 = 0;
  private bodyStop: i32 = 0;

  /** `envelope`: what the host answered. */
  constructor(private envelope: string) {
    const walker = new ObjectWalker(envelope, OK_START);
    while (walker.next()) {
      if (walker.keyIs("status")) this.status = <i32>parseDecimal(walker.raw());
      else if (walker.keyIs("headers")) this.headersStart = walker.start;
      else if (walker.keyIs("body_encoding")) this.bodyIsBase64 = walker.raw() == '"base64"';
      else if (walker.keyIs("body")) {
        this.bodyStart = walker.start;
        this.bodyStop = walker.stop;
      }
    }
  }

  /** Whether the envelope held a response. */
  get isWhole(): bool {
    const text = this.envelope;
    return (
      this.status >= 100 && this.status <= 999 &&
      text.charCodeAt(this.headersStart) == OPEN_BRACE && this.headersStart > 0 &&
      text.charCodeAt(this.bodyStart) == QUOTE
    );
  }

  /** Whether the status is one of success, 200 to 299. */
  get isOk(): bool {
    return this.status >= 200 && this.status <= 299;
  }

  /** A header by its name in any letters; null where there is none. Repeated ones are joined with ", ". */
  header(name: string): string | null {
    const lower = asciiLower(name);
    const walker = new ObjectWalker(this.envelope, this.headersStart);
    while (walker.next()) {
      if (walker.keyIs(lower)) return walker.textValue();
    }
    return null;
  }

  /** The body as text, or base64 if `bodyIsBase64`; empty without a body. */
  get body(): string {
    const text = changetype<usize>(this.envelope);
    return unescapeSpan(text + (<usize>(this.bodyStart + 1) << 1), text + (<usize>(this.bodyStop - 1) << 1));
  }

  /** The body's bytes. */
  bytes(): Uint8Array {
    if (!this.bodyIsBase64) return encodeUtf8(this.body);
    const bytes = decodeBase64(this.body);
    if (bytes === null) throw new Error("The response's body is not base64.");
    return bytes;
  }

  /** The body, checked to be JSON; a problem `http_response_not_json` if it is not, which is worth a later attempt after a 5xx only. */
  json(): Result<string> {
    const body = this.body;
    if (!this.bodyIsBase64 && isValidJson(body)) return succeeded<string>(body);
    return failed<string>(
      new Problem("http_response_not_json", "The body of the HTTP response is not JSON.", this.status >= 500),
    );
  }
}

/** Outbound HTTP to granted hosts. */
export namespace http {
  /** Sends a request and waits. A response is a value whatever its status. */
  export function send(request: HttpRequest): Result<HttpResponse> {
    const envelope = hostSend(request.toJson());
    const failure = problemIn(envelope, SEND);
    if (failure !== null) return failed<HttpResponse>(failure);
    const response = new HttpResponse(envelope);
    return response.isWhole ? succeeded<HttpResponse>(response) : failed<HttpResponse>(wrongAnswer(SEND));
  }
}
