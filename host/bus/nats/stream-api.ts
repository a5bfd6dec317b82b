import { Buffer } from 'node:buffer';
import { GtpackError } from '../../errors.ts';
import { headers, type Msg, type MsgHdrs } from './client.ts';
import type { Connection } from './connection.ts';

/** What JetStream answers a message that was to be stored. */
export type Stored =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  /** The subject's last message is another one than the one expected. */
  | { readonly kind: 'conflict' };

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly text: string;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** When the server stored it; milliseconds since the Unix epoch. */
  readonly storedAt: number;
}

const WRONG_LAST_SEQUENCE = [10071, 10164];
const NOT_FOUND = [10037, 10043];
/** The bounds of a stream or of the account, and an ordinary full disk. */
const FULL = [10077, 10023, 10047, 10028, 10002];

export interface StoreOptions {
  readonly headers?: MsgHdrs;
  /** Under which the server stores it once within its own window. */
  readonly messageId?: string;
  /** The sequence of the subject's last message; 0 where there must be none. Without it, whatever is there. */
  readonly after?: number;
}

/**
 * Stores a message in the stream that has its subject; resolves once the stream has it, on as many servers as it needs.
 * @throws GtpackError `bus_unavailable`, `bus_disk_full`, `bus_refused`
 */
export async function store(
  connection: Connection,
  subject: string,
  body: string | Uint8Array,
  options: StoreOptions = {},
): Promise<Stored> {
  const { messageId, after } = options;
  let { headers: sent } = options;
  if (sent === undefined && (messageId !== undefined || after !== undefined)) sent = headers();
  if (messageId !== undefined) sent?.set('Nats-Msg-Id', messageId);
  if (after !== undefined) sent?.set('Nats-Expected-Last-Subject-Sequence', String(after));
  const answer = parsed(await connection.request(subject, body, sent), subject);
  if (answer.error !== undefined) {
    if (WRONG_LAST_SEQUENCE.includes(answer.error.err_code ?? 0)) return { kind: 'conflict' };
    throw refusal(answer.error, subject);
  }
  return { kind: 'stored', sequence: answer.seq ?? 0, duplicate: answer.duplicate === true };
}

export type MessageQuery =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  /** The first at or behind the sequence. */
  | { readonly seq: number; readonly next_by_subj: string };

/** Asks the stream's leader, so that what was stored before is seen. @throws GtpackError `bus_unavailable` */
export async function getMessage(
  connection: Connection,
  stream: string,
  query: MessageQuery,
): Promise<StoredMessage | null> {
  const subject = `$JS.API.STREAM.MSG.GET.${stream}`;
  const { error, message } = parsed(await connection.request(subject, JSON.stringify(query)), subject);
  if (error !== undefined) {
    if (NOT_FOUND.includes(error.err_code ?? 0)) return null;
    throw refusal(error, subject);
  }
  if (message === undefined) return null;
  return {
    subject: message.subject,
    sequence: message.seq,
    text: Buffer.from(message.data ?? '', 'base64').toString(),
    headers: headersOf(message.hdrs),
    storedAt: Date.parse(message.time),
  };
}

/**
 * The subjects of a stream that fit a filter, as far as one answer holds them (100,000): who publishes says how many there are.
 * @returns null where there are more @throws GtpackError `bus_unavailable`
 */
export async function getSubjects(
  connection: Connection,
  stream: string,
  filter: string,
): Promise<readonly string[] | null> {
  const subject = `$JS.API.STREAM.INFO.${stream}`;
  const body = JSON.stringify({ subjects_filter: filter });
  const { error, state, total = 0 } = parsed(await connection.request(subject, body), subject);
  if (error !== undefined) throw refusal(error, subject);
  const subjects = Object.keys(state?.subjects ?? {});
  return total > subjects.length ? null : subjects;
}

/** @returns whether there was such a message @throws GtpackError `bus_unavailable` */
export async function deleteMessage(
  connection: Connection,
  stream: string,
  sequence: number,
): Promise<boolean> {
  const subject = `$JS.API.STREAM.MSG.DELETE.${stream}`;
  const body = JSON.stringify({ seq: sequence, no_erase: true });
  const { error, success } = parsed(await connection.request(subject, body), subject);
  if (error === undefined) return success === true;
  if (NOT_FOUND.includes(error.err_code ?? 0) || error.code === 404) return false;
  // 10057: the message could not be deleted; servers say so where there is none.
  if (error.err_code === 10057) return false;
  throw refusal(error, subject);
}

interface Answer {
  readonly error?: ApiFault;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly success?: boolean;
  readonly total?: number;
  readonly state?: { readonly subjects?: Readonly<Record<string, number>> };
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly data?: string;
    readonly hdrs?: string;
    readonly time: string;
  };
}

interface ApiFault {
  readonly code?: number;
  readonly err_code?: number;
  readonly description?: string;
}

function parsed(answer: Msg, subject: string): Answer {
  try {
    return JSON.parse(answer.string()) as Answer;
  } catch (cause) {
    throw new GtpackError('bus_unavailable', `The answer of the NATS server for ${subject} is no JSON.`, {
      cause,
    });
  }
}

function refusal(fault: ApiFault, subject: string): GtpackError {
  const said = `The NATS server does not take ${subject}: ${fault.description ?? 'no reason given'}.`;
  if (FULL.includes(fault.err_code ?? 0))
    return new GtpackError('bus_disk_full', said, {
      cure: 'Raise bus.max_bytes in the bundle or the limits of the server, or free disk space.',
    });
  return new GtpackError('bus_unavailable', said);
}

function headersOf(encoded: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (encoded === undefined) return found;
  for (const line of Buffer.from(encoded, 'base64').toString().split('\r\n').slice(1)) {
    const at = line.indexOf(':');
    if (at > 0) found.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return found;
}
