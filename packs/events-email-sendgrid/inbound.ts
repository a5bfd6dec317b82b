import {
  type EventDraft,
  encodeUtf8,
  type IngestRequest,
  type Json,
  type JsonObject,
  ProviderProblem,
} from 'gtpack/sdk';
import { decode } from './charset.ts';
import { settings } from './config.ts';
import { type Part, readParts } from './multipart.ts';

const DEFAULT_MAX_ATTACHMENT_BYTES = 128 * 1024;
const MAX_KEY = 1024;

/**
 * Inbound Parse (docs: Setting Up the Inbound Parse Webhook): an email that came in, as the fields that SendGrid made of it. Its fields keep
 * their names; `envelope` is JSON, and `attachments`, which SendGrid makes their number, are they themselves.
 * @throws ProviderProblem `multipart_invalid`, `sendgrid_inbound_invalid`
 */
export function inboundEmail(request: IngestRequest): EventDraft {
  const isBytes = request.body_encoding === 'base64';
  const parts = readParts(request.headers['content-type'] ?? '', isBytes ? atob(request.body) : request.body);
  const charsets = charsetsIn(parts);
  // No assignment by name: a sender chooses the names, and __proto__ is one of them.
  const fields = new Map<string, Json>();
  const undecoded = new Map<string, Json>();
  for (const part of parts) {
    if (part.filename !== null) continue;
    const charset = charsets.get(part.name) ?? 'utf-8';
    const text = isBytes ? decode(part.content, charset) : part.content;
    if (text === null) undecoded.set(part.name, { charset, content: btoa(part.content) });
    else fields.set(part.name, text);
  }
  if (!fields.has('from') && !fields.has('envelope')) {
    throw new ProviderProblem(
      'sendgrid_inbound_invalid',
      'The body of Inbound Parse: a field from or envelope was expected; neither came.',
    );
  }
  const envelope = jsonIn(fields.get('envelope'));
  if (envelope !== undefined) fields.set('envelope', envelope);
  fields.set('attachments', attachmentsIn(parts, isBytes, jsonIn(fields.get('attachment-info'))));
  if (undecoded.size > 0) fields.set('undecoded', Object.fromEntries(undecoded));
  const key = keyOf(fields);
  return {
    event_type: 'sendgrid.inbound',
    ...(key === undefined ? {} : { idempotency_key: key }),
    payload: Object.fromEntries(fields),
  };
}

/** By field; SendGrid passes on what the email's own parts were written in. */
function charsetsIn(parts: readonly Part[]): ReadonlyMap<string, string> {
  const written = jsonIn(parts.find(({ name }) => name === 'charsets')?.content);
  if (!isObject(written)) return new Map();
  return new Map(
    Object.entries(written).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function attachmentsIn(parts: readonly Part[], isBytes: boolean, info: Json | undefined): Json[] {
  let left = settings().max_attachment_bytes ?? DEFAULT_MAX_ATTACHMENT_BYTES;
  const attachments: Json[] = [];
  for (const { name, filename, type, contentId, content } of parts) {
    if (filename === null) continue;
    const about = isObject(info) && Object.hasOwn(info, name) ? info[name] : undefined;
    const told = isObject(about) ? about : {};
    // Of text the bytes are at least its characters: what does not fit so needs no counting.
    const bytes = isBytes || content.length > left ? null : encodeUtf8(content);
    const size = bytes?.length ?? content.length;
    const fits = size <= left;
    if (fits) left -= size;
    attachments.push({
      field: name,
      filename: isBytes ? (decode(filename, 'utf-8') ?? filename) : filename,
      type: type ?? told.type ?? null,
      content_id: contentId ?? told['content-id'] ?? null,
      size,
      // Whole or not at all.
      content: fits ? (bytes === null ? btoa(content) : bytes.toBase64()) : null,
    });
  }
  return attachments;
}

/** The email's own Message-ID, with whom it was for: an email to two addresses here comes twice. */
function keyOf(fields: ReadonlyMap<string, Json>): string | undefined {
  const headers = fields.get('headers');
  const envelope = fields.get('envelope');
  if (typeof headers !== 'string') return undefined;
  const id = /^message-id:[ \t]*(<[^<>\r\n]{1,700}>)/im.exec(headers)?.[1];
  if (id === undefined) return undefined;
  const to = isObject(envelope) ? JSON.stringify(envelope.to ?? null) : '';
  const key = `${id} ${to}`;
  return key.length <= MAX_KEY ? key : undefined;
}

function jsonIn(text: Json | undefined): Json | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
