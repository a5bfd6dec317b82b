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
  const payload: Record<string, Json> = {};
  const undecoded: Record<string, Json> = {};
  for (const part of parts) {
    if (part.filename !== null) continue;
    const charset = charsets[part.name] ?? 'utf-8';
    const text = isBytes ? decode(part.content, charset) : part.content;
    if (text === null) undecoded[part.name] = { charset, content: btoa(part.content) };
    else payload[part.name] = text;
  }
  if (payload.from === undefined && payload.envelope === undefined) {
    throw new ProviderProblem(
      'sendgrid_inbound_invalid',
      'The body of Inbound Parse: a field from or envelope was expected; neither came.',
    );
  }
  const envelope = jsonIn(payload.envelope);
  if (envelope !== undefined) payload.envelope = envelope;
  const info = jsonIn(payload['attachment-info']);
  payload.attachments = attachmentsIn(parts, isBytes, info);
  if (Object.keys(undecoded).length > 0) payload.undecoded = undecoded;
  const key = keyOf(payload);
  return {
    event_type: 'sendgrid.inbound',
    ...(key === undefined ? {} : { idempotency_key: key }),
    payload,
  };
}

/** By field; SendGrid passes on what the email's own parts were written in. */
function charsetsIn(parts: readonly Part[]): Readonly<Record<string, string>> {
  const written = jsonIn(parts.find(({ name }) => name === 'charsets')?.content);
  if (!isObject(written)) return {};
  return Object.fromEntries(
    Object.entries(written).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function attachmentsIn(parts: readonly Part[], isBytes: boolean, info: Json | undefined): Json[] {
  let left = settings().max_attachment_bytes ?? DEFAULT_MAX_ATTACHMENT_BYTES;
  const attachments: Json[] = [];
  for (const { name, filename, type, contentId, content } of parts) {
    if (filename === null) continue;
    const about = isObject(info) ? info[name] : undefined;
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
function keyOf({ headers, envelope }: Readonly<Record<string, Json>>): string | undefined {
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
