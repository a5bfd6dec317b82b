import { IngestRequest, JsonWriter, quote, Response } from "gtpack";
import { scalarAt } from "./json-path";
import { ReplyTemplate } from "./settings";

/**
 * The answer that the config asks for. In its body `{{ event_type }}`, `{{ json.PATH }}`, `{{ query.NAME }}` and `{{ headers.NAME }}` stand for
 * what the request says, nothing where it says nothing, and written so that it stays a text of the body's type.
 */
export function replyOf(template: ReplyTemplate, request: IngestRequest, eventType: string, json: string): Response {
  const response = new Response(template.status);
  let type = "text/plain; charset=utf-8";
  for (let i = 0; i + 1 < template.headers.length; i += 2) {
    if (template.headers[i] == "content-type") type = template.headers[i + 1];
    else {
      response.headers.push(template.headers[i]);
      response.headers.push(template.headers[i + 1]);
    }
  }
  response.body = filled(template.body, escapeOf(type), request, eventType, json);
  if (response.body.length > 0) {
    response.headers.push("content-type");
    response.headers.push(type);
  }
  return response;
}

const AS_IT_IS: i32 = 0;
const AS_JSON: i32 = 1;
const AS_XML: i32 = 2;

function escapeOf(type: string): i32 {
  if (type.startsWith("text/plain")) return AS_IT_IS;
  return type.includes("json") ? AS_JSON : AS_XML;
}

function filled(body: string, escape: i32, request: IngestRequest, eventType: string, json: string): string {
  const writer = new JsonWriter(body.length + 128);
  let at = 0;
  while (at < body.length) {
    const open = body.indexOf("{{", at);
    const close = open < 0 ? -1 : body.indexOf("}}", open);
    if (close < 0) break;
    writer.raw(body.substring(at, open));
    writer.raw(escaped(valueOf(body.substring(open + 2, close).trim(), request, eventType, json), escape));
    at = close + 2;
  }
  writer.raw(body.substring(at));
  return writer.toString();
}

function valueOf(name: string, request: IngestRequest, eventType: string, json: string): string {
  let value: string | null = null;
  if (name == "event_type") value = eventType;
  else if (name.startsWith("json.")) value = scalarAt(json, name.substring(5));
  else if (name.startsWith("query.")) value = request.query(name.substring(6));
  else if (name.startsWith("headers.")) value = request.header(name.substring(8));
  return value === null ? "" : value;
}

function escaped(text: string, escape: i32): string {
  if (escape == AS_IT_IS) return text;
  if (escape == AS_JSON) {
    const quoted = quote(text);
    return quoted.substring(1, quoted.length - 1);
  }
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
