import { ArrayWalker, asciiLower, configJson, isInteger, ObjectWalker, parseDecimal, quote, unquote } from "gtpack";
import { isEventType } from "./event-type";
import { isPreset, PRESETS } from "./preset";

/** Where in a request something is: a header, or a path into the JSON of its body. */
export class Source {
  constructor(public header: string | null, public path: string | null) {}
}

/** What is made of the request besides its body. */
export class Envelope {
  /** Lower-case names. */
  headers: string[] = [];
  method: bool = false;
  path: bool = false;
  query: bool = false;
}

/** The answer that every request gets, in place of the host's 202. */
export class ReplyTemplate {
  status: i32 = 200;
  /** Names and values, in turn. */
  headers: string[] = [];
  body: string = "";
}

/** The provider's config. */
export class Settings {
  eventType: string | null = null;
  typeFrom: Source | null = null;
  typePrefix: string | null = null;
  idFrom: Source | null = null;
  preset: string | null = null;
  batch: bool = false;
  envelope: Envelope | null = null;
  response: ReplyTemplate | null = null;
  websubTopics: string[] | null = null;
  cloudeventsOrigins: string[] | null = null;
  cloudeventsRate: i32 = 0;
  /** What is wrong with it, for the first sender who meets it; null for nothing. */
  fault: string | null = null;
}

// It never changes in an instance's life.
let cached: Settings | null = null;

export function settings(): Settings {
  let own = cached;
  if (own === null) {
    own = read(configJson());
    cached = own;
  }
  return own;
}

const KEYS = "event_type, type_from, type_prefix, id_from, preset, batch, envelope, response, websub, cloudevents";

function read(json: string): Settings {
  const own = new Settings();
  if (json != "null" && json.charCodeAt(0) != 0x7b) {
    own.fault = "an object was expected; something else came";
    return own;
  }
  const walker = new ObjectWalker(json);
  while (walker.next() && own.fault === null) {
    if (walker.keyIs("event_type")) {
      own.eventType = walker.textValue();
      if (own.eventType === null) own.fault = "event_type: a text was expected; " + walker.raw() + " came";
    } else if (walker.keyIs("type_from")) own.typeFrom = sourceOf(walker, own, "type_from");
    else if (walker.keyIs("id_from")) own.idFrom = sourceOf(walker, own, "id_from");
    else if (walker.keyIs("type_prefix")) readPrefix(walker, own);
    else if (walker.keyIs("preset")) readPreset(walker, own);
    else if (walker.keyIs("batch")) own.batch = flagOf(walker, own, "batch");
    else if (walker.keyIs("envelope")) readEnvelope(walker.raw(), own);
    else if (walker.keyIs("response")) readResponse(walker.raw(), own);
    else if (walker.keyIs("websub")) readWebsub(walker.raw(), own);
    else if (walker.keyIs("cloudevents")) readCloudevents(walker.raw(), own);
    else own.fault = unknown(walker, "", KEYS);
  }
  return own;
}

function readPrefix(walker: ObjectWalker, own: Settings): void {
  const prefix = walker.textValue();
  own.typePrefix = prefix;
  // Whatever follows has to make an event type of it.
  if (prefix === null || !isEventType(prefix + "x")) {
    own.fault = 'type_prefix: the beginning of an event type was expected, such as "github."; ' + walker.raw() + " came";
  }
}

function readPreset(walker: ObjectWalker, own: Settings): void {
  const name = walker.textValue();
  own.preset = name;
  if (name === null || !isPreset(name)) own.fault = "preset: one of " + PRESETS + " was expected; " + walker.raw() + " came";
}

function sourceOf(walker: ObjectWalker, own: Settings, key: string): Source | null {
  const inner = new ObjectWalker(walker.raw());
  if (inner.next()) {
    const text = inner.textValue();
    if (text !== null && text.length > 0) {
      let source: Source | null = null;
      if (inner.keyIs("header")) source = new Source(asciiLower(text), null);
      if (inner.keyIs("json")) source = new Source(null, text);
      if (source !== null && !inner.next()) return source;
    }
  }
  own.fault = key + ': { header: NAME } or { json: PATH } was expected; ' + walker.raw() + " came";
  return null;
}

function flagOf(walker: ObjectWalker, own: Settings, key: string): bool {
  const raw = walker.raw();
  if (raw != "true" && raw != "false") own.fault = key + ": true or false was expected; " + raw + " came";
  return raw == "true";
}

function readEnvelope(json: string, own: Settings): void {
  const envelope = new Envelope();
  own.envelope = envelope;
  if (!isObject(json, own, "envelope")) return;
  const walker = new ObjectWalker(json);
  while (walker.next() && own.fault === null) {
    if (walker.keyIs("headers")) {
      const names = textsOf(walker.raw(), own, "envelope.headers");
      for (let i = 0; i < names.length; i++) envelope.headers.push(asciiLower(names[i]));
    } else if (walker.keyIs("method")) envelope.method = flagOf(walker, own, "envelope.method");
    else if (walker.keyIs("path")) envelope.path = flagOf(walker, own, "envelope.path");
    else if (walker.keyIs("query")) envelope.query = flagOf(walker, own, "envelope.query");
    else own.fault = unknown(walker, "envelope.", "headers, method, path, query");
  }
}

function readResponse(json: string, own: Settings): void {
  const reply = new ReplyTemplate();
  own.response = reply;
  if (!isObject(json, own, "response")) return;
  const walker = new ObjectWalker(json);
  while (walker.next() && own.fault === null) {
    if (walker.keyIs("status")) {
      const raw = walker.raw();
      const status = isInteger(raw) ? parseDecimal(raw) : 0;
      if (status < 200 || status > 599) own.fault = "response.status: a whole number from 200 to 599 was expected; " + raw + " came";
      reply.status = <i32>status;
    } else if (walker.keyIs("body")) {
      const body = walker.textValue();
      if (body === null) own.fault = "response.body: a text was expected; something else came";
      else reply.body = body;
    } else if (walker.keyIs("headers")) {
      const inner = new ObjectWalker(walker.raw());
      while (inner.next()) {
        const value = inner.textValue();
        if (value === null) own.fault = "response.headers: texts by name were expected; something else came";
        reply.headers.push(asciiLower(inner.key()));
        reply.headers.push(value === null ? "" : value);
      }
    } else own.fault = unknown(walker, "response.", "status, headers, body");
  }
}

function readWebsub(json: string, own: Settings): void {
  if (!isObject(json, own, "websub")) return;
  const walker = new ObjectWalker(json);
  while (walker.next() && own.fault === null) {
    if (walker.keyIs("topics")) own.websubTopics = textsOf(walker.raw(), own, "websub.topics");
    else own.fault = unknown(walker, "websub.", "topics");
  }
  if (own.fault === null && own.websubTopics === null) own.fault = "websub.topics: a list of URLs was expected; none came";
}

function readCloudevents(json: string, own: Settings): void {
  if (!isObject(json, own, "cloudevents")) return;
  const walker = new ObjectWalker(json);
  while (walker.next() && own.fault === null) {
    if (walker.keyIs("origins")) own.cloudeventsOrigins = textsOf(walker.raw(), own, "cloudevents.origins");
    else if (walker.keyIs("rate")) {
      const raw = walker.raw();
      const rate = isInteger(raw) ? parseDecimal(raw) : 0;
      if (rate < 1 || rate > 1_000_000) own.fault = "cloudevents.rate: requests a minute, 1 to 1000000, were expected; " + raw + " came";
      own.cloudeventsRate = <i32>rate;
    } else own.fault = unknown(walker, "cloudevents.", "origins, rate");
  }
  if (own.fault === null && own.cloudeventsOrigins === null) {
    own.fault = 'cloudevents.origins: a list of names of hosts, or ["*"], was expected; none came';
  }
}

function textsOf(json: string, own: Settings, key: string): string[] {
  const texts: string[] = [];
  const walker = new ArrayWalker(json);
  let isSound = json.charCodeAt(0) == 0x5b;
  while (isSound && walker.next()) {
    const raw = walker.raw();
    isSound = raw.charCodeAt(0) == 0x22 && texts.length < 100;
    texts.push(unquote(raw));
  }
  if (!isSound) own.fault = key + ": a list of at most 100 texts was expected; something else came";
  return texts;
}

function isObject(json: string, own: Settings, key: string): bool {
  if (json.charCodeAt(0) == 0x7b) return true;
  own.fault = key + ": an object was expected; something else came";
  return false;
}

function unknown(walker: ObjectWalker, place: string, known: string): string {
  return "the key " + quote(place + walker.key()) + " is unknown. Known here: " + known;
}
