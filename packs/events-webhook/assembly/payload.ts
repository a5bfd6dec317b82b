import {
  asciiLower,
  decimal,
  decodeBase64,
  encodeUtf8,
  IngestRequest,
  isValidJson,
  jsonFault,
  JsonWriter,
  quote,
  textField,
} from "gtpack";
import { formToJson } from "./form";
import { multipartToJson } from "./multipart";

/** An event's payload as JSON, or why there is none. */
export class Payload {
  json: string = "null";
  faultCode: string | null = null;
  faultMessage: string = "";
}

/**
 * A request's body by its content type.
 * @param formField the field of a form that holds the JSON, for senders that may send it so; null for none
 */
export function payloadOf(request: IngestRequest, formField: string | null = null): Payload {
  const body = request.body;
  if (body.length == 0) return taken("null");
  const contentType = request.header("content-type");
  const mediaType = contentType === null ? "" : mediaTypeOf(contentType);
  if (isJsonType(mediaType)) return jsonPayload(body, request.bodyIsBase64);
  if (contentType !== null && mediaType == "multipart/form-data") return multipartPayload(contentType, body, request.bodyIsBase64);
  if (request.bodyIsBase64) return taken(described(contentType, ',"body_base64":', body));
  if (mediaType == "" && isValidJson(body)) return taken(body);
  if (mediaType == "application/x-www-form-urlencoded") return formPayload(body, formField);
  if (mediaType.startsWith("text/")) return taken(quote(body));
  return taken(described(contentType, ',"body":', body));
}

function jsonPayload(body: string, isBase64: bool): Payload {
  if (isBase64) return refused("json_invalid", "The body was expected to be JSON in UTF-8, got bytes that are not UTF-8.");
  const fault = jsonFault(body);
  // Spliced in as it came: numbers keep all their digits, and nothing is built or written twice.
  if (fault === null) return taken(body);
  const where = place(body, fault.position);
  if (fault.isTooDeep) {
    return refused("json_too_deep", "The body was expected to nest at most 64 levels deep, got more at " + where);
  }
  return refused("json_invalid", "The body was expected to be JSON, got " + found(body, fault.position) + " at " + where);
}

function formPayload(body: string, field: string | null): Payload {
  const json = formToJson(body);
  if (json === null) return refused("form_too_long", "The form was expected to have at most 500 fields, got more.");
  const inner: string | null = field === null ? null : textField(json, field);
  return taken(inner !== null && isValidJson(inner) ? inner : json);
}

function multipartPayload(contentType: string, body: string, isBase64: bool): Payload {
  const bytes: Uint8Array | null = isBase64 ? decodeBase64(body) : encodeUtf8(body);
  // What the host encodes can be decoded.
  if (bytes === null) return refused("multipart_invalid", "The body was expected to be base64, got something else.");
  const result = multipartToJson(contentType, bytes);
  const fault = result.fault;
  return fault === null ? taken(result.json) : refused("multipart_invalid", "The multipart body " + fault + ".");
}

function taken(json: string): Payload {
  const payload = new Payload();
  payload.json = json;
  return payload;
}

function refused(code: string, message: string): Payload {
  const payload = new Payload();
  payload.faultCode = code;
  payload.faultMessage = message;
  return payload;
}

/** `type/subtype`, in lower case, without parameters. */
function mediaTypeOf(contentType: string): string {
  const end = contentType.indexOf(";");
  return asciiLower((end < 0 ? contentType : contentType.substring(0, end)).trim());
}

function isJsonType(mediaType: string): bool {
  return mediaType == "application/json" || mediaType == "text/json" || mediaType.endsWith("+json");
}

/** A body that no rule fits, with what tells a flow how to read it. */
function described(contentType: string | null, key: string, body: string): string {
  const writer = new JsonWriter(body.length + 128);
  writer.raw('{"content_type":');
  if (contentType === null) writer.raw("null");
  else writer.text(contentType);
  writer.raw(key);
  writer.text(body);
  writer.raw("}");
  return writer.toString();
}

function found(body: string, at: i32): string {
  if (at >= body.length) return "its end";
  const unit = body.charCodeAt(at);
  if (unit == 0x22) return "a quotation mark";
  return unit > 0x20 && unit < 0x7f ? '"' + String.fromCharCode(unit) + '"' : "the code unit " + quote(String.fromCharCode(unit));
}

function place(body: string, at: i32): string {
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < at; i++) {
    if (body.charCodeAt(i) != 0x0a) continue;
    line++;
    lineStart = i + 1;
  }
  return "position " + decimal(at) + " (line " + decimal(line) + ", column " + decimal(at - lineStart + 1) + ").";
}
