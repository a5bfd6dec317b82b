import { asciiLower, encodeBase64, encodeUtf8, JsonWriter } from "gtpack";
import { isUtf8, textOf } from "./utf8";

/** More would make the search for a field of the same name costly. */
const MAX_PARTS: i32 = 500;
const MAX_HEAD: i32 = 8192;

/** A body's parts, or what is wrong with it. */
export class MultipartResult {
  json: string = "";
  fault: string | null = null;
}

/**
 * A body of `multipart/form-data` (RFC 7578) as an object of its fields: a text each, `{ filename, content_type, size, body_base64 }` for a
 * file and `{ content_type, body_base64 }` for what is no text; an array where a name came more than once.
 */
export function multipartToJson(contentType: string, body: Uint8Array): MultipartResult {
  const boundary = parameterOf(contentType, "boundary");
  if (boundary === null || boundary.length == 0 || boundary.length > 70) {
    return failed("has a content type without a boundary of 1 to 70 characters");
  }
  const delimiter = encodeUtf8("\r\n--" + boundary);
  const names: string[] = [];
  const values: string[] = [];
  const owners: i32[] = [];
  // The first one may stand at the very start, without the line break before it.
  let at = delimiter.length - 2;
  if (!matches(body, 0, delimiter, 2)) {
    const found = find(body, delimiter, 0);
    if (found < 0) return failed("has no part that begins with its boundary");
    at = found + delimiter.length;
  }
  while (true) {
    if (isPair(body, at, 0x2d, 0x2d)) break;
    while (at < body.length && (body[at] == 0x20 || body[at] == 0x09)) at++;
    if (!isPair(body, at, 0x0d, 0x0a)) {
      return failed(at >= body.length ? "ends without its last boundary" : "has a boundary with something behind it");
    }
    if (values.length == MAX_PARTS) return failed("has more than 500 parts");
    const start = at + 2;
    const end = find(body, delimiter, at);
    if (end < 0) return failed("ends without its last boundary");
    const part = readPart(body, start, end);
    const fault = part.fault;
    if (fault !== null) return failed(fault);
    let owner = names.indexOf(part.name);
    if (owner < 0) owner = names.push(part.name) - 1;
    owners.push(owner);
    values.push(part.json);
    at = end + delimiter.length;
  }
  const result = new MultipartResult();
  result.json = objectOf(names, values, owners, body.length);
  return result;
}

class Part {
  name: string = "";
  json: string = "";
  fault: string | null = null;
}

/** One part, from behind its boundary's line to the next boundary. */
function readPart(body: Uint8Array, start: i32, end: i32): Part {
  const part = new Part();
  const headEnd = headEndOf(body, start, end);
  if (headEnd < 0) {
    part.fault = "has a part without an empty line after at most 8192 bytes of headers";
    return part;
  }
  if (!isUtf8(body, start, headEnd)) {
    part.fault = "has a part whose headers are not UTF-8";
    return part;
  }
  const head = textOf(body, start, headEnd);
  const disposition = headerOf(head, "content-disposition");
  let name: string | null = null;
  let filename: string | null = null;
  if (disposition !== null && asciiLower(disposition).startsWith("form-data")) {
    name = parameterOf(disposition, "name");
    filename = parameterOf(disposition, "filename");
  }
  if (name === null) {
    part.fault = "has a part whose content-disposition names no field";
    return part;
  }
  part.name = name;
  part.json = valueOf(body, min(headEnd + 4, end), end, headerOf(head, "content-type"), filename);
  return part;
}

function valueOf(body: Uint8Array, from: i32, to: i32, type: string | null, filename: string | null): string {
  const isText = filename === null && isUtf8(body, from, to);
  const writer = new JsonWriter(to - from + 128);
  if (isText) {
    writer.text(textOf(body, from, to));
    return writer.toString();
  }
  writer.raw("{");
  if (filename !== null) {
    writer.raw('"filename":');
    writer.text(filename);
    writer.raw(",");
  }
  writer.raw('"content_type":');
  if (type === null) writer.raw("null");
  else writer.text(type);
  writer.raw(',"size":');
  writer.integer(to - from);
  writer.raw(',"body_base64":"');
  writer.raw(encodeBase64(Uint8Array.wrap(body.buffer, body.byteOffset + from, to - from)));
  writer.raw('"}');
  return writer.toString();
}

function objectOf(names: string[], values: string[], owners: i32[], size: i32): string {
  const writer = new JsonWriter(size + 64);
  writer.raw("{");
  for (let owner = 0; owner < names.length; owner++) {
    if (owner > 0) writer.raw(",");
    writer.text(names[owner]);
    writer.raw(":");
    const first = owners.indexOf(owner);
    const isList = owners.indexOf(owner, first + 1) > 0;
    if (isList) writer.raw("[");
    for (let i = first; i < owners.length; i++) {
      if (owners[i] != owner) continue;
      if (i > first) writer.raw(",");
      writer.raw(values[i]);
    }
    if (isList) writer.raw("]");
  }
  writer.raw("}");
  return writer.toString();
}

/** Where the empty line after the headers begins, less the line break before it; -1 for none. */
function headEndOf(body: Uint8Array, start: i32, end: i32): i32 {
  for (let at = start; at <= end - 2 && at - start <= MAX_HEAD; at++) {
    if (isPair(body, at, 0x0d, 0x0a) && isPair(body, at + 2, 0x0d, 0x0a)) return at;
  }
  return -1;
}

function headerOf(head: string, name: string): string | null {
  const lines = head.split("\r\n");
  for (let i = 0; i < lines.length; i++) {
    const colon = lines[i].indexOf(":");
    if (colon > 0 && asciiLower(lines[i].substring(0, colon).trim()) == name) return lines[i].substring(colon + 1).trim();
  }
  return null;
}

/** A parameter of a header, in quotes or without. A quote in it is `%22` as browsers write it, or `\"`; a backslash is itself. */
function parameterOf(header: string, name: string): string | null {
  let at = header.indexOf(";");
  while (at >= 0) {
    const equals = header.indexOf("=", at);
    if (equals < 0) return null;
    const next = header.indexOf(";", at + 1);
    if (next >= 0 && next < equals) {
      at = next;
      continue;
    }
    const isQuoted = equals + 1 < header.length && header.charCodeAt(equals + 1) == 0x22;
    const end = isQuoted ? closingQuote(header, equals + 2) : next < 0 ? header.length : next;
    if (asciiLower(header.substring(at + 1, equals).trim()) == name) {
      return isQuoted
        ? header.substring(equals + 2, end).replaceAll('\\"', '"').replaceAll("%22", '"')
        : header.substring(equals + 1, end).trim();
    }
    at = header.indexOf(";", end);
  }
  return null;
}

/** The quote that ends the parameter: one with nothing behind it but the next. */
function closingQuote(header: string, from: i32): i32 {
  let at = header.indexOf('"', from);
  while (at >= 0) {
    let after = at + 1;
    while (after < header.length && header.charCodeAt(after) == 0x20) after++;
    if (after == header.length || header.charCodeAt(after) == 0x3b) return at;
    at = header.indexOf('"', at + 1);
  }
  return header.length;
}

/** Index of the needle from `from` on; -1 for none. */
function find(body: Uint8Array, needle: Uint8Array, from: i32): i32 {
  const last = body.length - needle.length;
  const first = needle[0];
  for (let at = from; at <= last; at++) {
    if (unchecked(body[at]) == first && matches(body, at, needle, 0)) return at;
  }
  return -1;
}

function matches(body: Uint8Array, at: i32, needle: Uint8Array, skip: i32): bool {
  const length = needle.length - skip;
  if (at + length > body.length) return false;
  return memory.compare(body.dataStart + <usize>at, needle.dataStart + <usize>skip, <usize>length) == 0;
}

function isPair(body: Uint8Array, at: i32, first: u8, second: u8): bool {
  return at + 1 < body.length && unchecked(body[at]) == first && unchecked(body[at + 1]) == second;
}

function failed(fault: string): MultipartResult {
  const result = new MultipartResult();
  result.fault = fault;
  return result;
}
