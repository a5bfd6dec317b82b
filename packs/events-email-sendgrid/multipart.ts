import { ProviderProblem } from 'gtpack/sdk';

/** A part of a `multipart/form-data` body (RFC 7578). */
export interface Part {
  readonly name: string;
  /** Null for a field. */
  readonly filename: string | null;
  /** Null where it says none. */
  readonly type: string | null;
  readonly contentId: string | null;
  /** A character a byte if `isBytes`, else text. */
  readonly content: string;
}

/** Inbound Parse has a field for each attachment besides some twenty of its own. */
const MAX_PARTS = 200;
const MAX_HEAD = 8192;

/**
 * Splits a body into its parts with the engine's own searches, which are fast: a loop over its bytes would cost an engine that interprets
 * a quarter of a second a megabyte.
 * @throws ProviderProblem `multipart_invalid`
 */
export function readParts(contentType: string, body: string): Part[] {
  const boundary = boundaryOf(contentType);
  const delimiter = `--${boundary}`;
  // What stands before the first delimiter is nobody's.
  let at = body.startsWith(delimiter) ? 0 : body.indexOf(`\r\n${delimiter}`) + 2;
  if (at === 1) throw invalid('has no part that begins with its boundary');
  const parts: Part[] = [];
  for (;;) {
    at += delimiter.length;
    if (body.startsWith('--', at)) return parts;
    const start = /[ \t]{0,100}\r\n/y;
    start.lastIndex = at;
    if (!start.test(body)) throw invalid('has a boundary with something behind it');
    if (parts.length === MAX_PARTS) throw invalid(`has more than ${MAX_PARTS} parts`);
    const from = start.lastIndex;
    const end = body.indexOf(`\r\n${delimiter}`, from - 2);
    if (end < 0) throw invalid('ends without its last boundary');
    parts.push(readPart(body, from, end));
    at = end + 2;
  }
}

function readPart(body: string, from: number, end: number): Part {
  // A part without headers begins with the empty line.
  const headEnd = body.startsWith('\r\n', from) ? from - 2 : body.indexOf('\r\n\r\n', from);
  if (headEnd + 4 > end + 2 || headEnd < from - 2)
    throw invalid('has a part without an empty line after its headers');
  if (headEnd - from > MAX_HEAD) throw invalid(`has a part with more than ${MAX_HEAD} characters of headers`);
  const headers = headersOf(body.slice(from, Math.max(from, headEnd)));
  const disposition = headers.get('content-disposition') ?? '';
  const name = parameterOf(disposition, 'name');
  if (!/^form-data(?:;|$)/i.test(disposition) || name === undefined)
    throw invalid('has a part whose content-disposition names no field');
  return {
    name,
    filename: parameterOf(disposition, 'filename') ?? null,
    type: headers.get('content-type') ?? null,
    contentId: headers.get('content-id')?.replace(/^<(.*)>$/, '$1') ?? null,
    content: body.slice(Math.min(headEnd + 4, end), end),
  };
}

function headersOf(head: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}

function boundaryOf(contentType: string): string {
  const boundary = parameterOf(contentType, 'boundary');
  // RFC 2046, section 5.1.1.
  if (boundary === undefined || !/^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/.test(boundary))
    throw invalid('has a content type without a boundary of 1 to 70 characters');
  return boundary;
}

/**
 * A parameter of a header, in quotes or without. The quote that ends it has nothing behind it but the next; one in it is `%22` as browsers write
 * it, or `\"`; a backslash is itself.
 */
function parameterOf(header: string, name: string): string | undefined {
  const found = new RegExp(
    `;\\s{0,8}${name}=(?:"((?:[^"]|"(?!\\s{0,8}(?:;|$))){0,1000})"|([^\\s;"]{1,1000}))`,
    'i',
  ).exec(header);
  if (found === null) return undefined;
  return found[1]?.replaceAll('\\"', '"').replaceAll('%22', '"') ?? found[2];
}

function invalid(message: string): ProviderProblem {
  return new ProviderProblem('multipart_invalid', `The multipart body ${message}.`);
}
