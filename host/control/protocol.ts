import * as z from 'zod';
import type { Receipt, TapListener } from '../bus/bus.ts';
import { type ErrorCode, GtpackError, type Problem } from '../errors.ts';
import type { JsonObject } from '../event/json.ts';
import type { EnvName } from '../event/names.ts';
import { closedObject } from '../yaml.ts';
import { type OperatorRecords, recordRequests } from './records.ts';
import { type OperatorTimers, timerRequest } from './timers.ts';

/**
 * The wire: lines of JSON, ended by a line feed. A client sends requests; the host answers each with one reply, and
 * after a `tail` with as many items as come until the client leaves.
 *
 * `{"v":1,"op":"status"}`, `{"v":1,"op":"emit","tenant":"demo","type":"a.b","payload":"{…}"}`,
 * `{"v":1,"op":"tail","tenant":"demo"}`, `{"v":1,"op":"quarantined"}`,
 * `{"v":1,"op":"release","tenant":"demo","source":"events-webhook"}`, `{"v":1,"op":"timers","next":3,"from":0}`,
 * and the `dlq_…` and `runs_…` of `records.ts`
 * → `{"v":1,"ok":…}` or `{"v":1,"error":{code,message,…}}`, then `{"v":1,"item":…}`
 */
export const CONTROL_VERSION = 1;

/** A request: an event as the text of a JSON text may double in size. */
export const MAX_REQUEST_BYTES = 1024 * 1024;
/** From the host: an event or result spliced in whole. */
export const MAX_REPLY_BYTES = 4 * 1024 * 1024;

/** What the control socket needs of the host. */
export interface ControlHost {
  readonly env: EnvName;
  /** Hears every event, result and dead letter once it is durable. @returns what stops it */
  tap(listener: TapListener): () => void;
  /**
   * Publishes an event on the operator's behalf; resolves when it is durable.
   * @param payloadJson JSON text, bounded and parsed by the host
   * @throws GtpackError for what is no known tenant, no event type, or no JSON within the bounds
   */
  emit(tenant: string, type: string, payloadJson: string): Promise<Receipt>;
  /** What the host is: address, tenants, and what lives now. */
  status(): JsonObject;
  /** Providers and flows that are held back: `{ tenant, source, remaining_ms, times, detail }` each. */
  quarantined(): JsonObject[];
  /** Lets one of them go. @returns whether it was held */
  release(tenant: string, source: string): boolean;
  readonly records: OperatorRecords;
  readonly timers: OperatorTimers;
}

const version = z.literal(CONTROL_VERSION);
const requestSchema = z.discriminatedUnion('op', [
  closedObject({ v: version, op: z.literal('status') }),
  closedObject({ v: version, op: z.literal('quarantined') }),
  closedObject({
    v: version,
    op: z.literal('release'),
    tenant: z.string().max(1000),
    source: z.string().max(1000),
  }),
  closedObject({
    v: version,
    op: z.literal('emit'),
    tenant: z.string().max(1000),
    type: z.string().max(1000),
    payload: z.string(),
  }),
  closedObject({ v: version, op: z.literal('tail'), tenant: z.string().max(1000).optional() }),
  closedObject({ v: version, ...recordRequests[0] }),
  closedObject({ v: version, ...recordRequests[1] }),
  closedObject({ v: version, ...recordRequests[2] }),
  closedObject({ v: version, ...recordRequests[3] }),
  closedObject({ v: version, ...recordRequests[4] }),
  closedObject({ v: version, ...recordRequests[5] }),
  closedObject({ v: version, ...timerRequest }),
]);

export type ControlRequest = z.infer<typeof requestSchema>;

/** @throws GtpackError `control_version_unknown`, `control_message_invalid` */
export function parseRequest(line: string): ControlRequest {
  const value = parseLine(line);
  const parsed = requestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  assertVersion(value);
  throw new GtpackError(
    'control_message_invalid',
    `The host does not understand this request: ${parsed.error.issues.map(({ message }) => message).join(' ')}`,
  );
}

const replySchema = z.union([
  z.strictObject({ v: version, ok: z.unknown() }),
  z.strictObject({
    v: version,
    error: z.strictObject({
      code: z.string(),
      message: z.string(),
      cure: z.string().optional(),
      file: z.string().optional(),
      line: z.number().optional(),
      column: z.number().optional(),
    }),
  }),
]);

/** The value of a good reply. @throws GtpackError that the host sent, `control_message_invalid` */
export function parseReply(line: string): unknown {
  const value = parseLine(line);
  const parsed = replySchema.safeParse(value);
  if (!parsed.success) {
    assertVersion(value);
    throw new GtpackError('control_message_invalid', 'The host answered with something that is no reply.');
  }
  if ('ok' in parsed.data) return parsed.data.ok;
  // A newer host may have codes that this table lacks; its words are kept either way.
  const { code, ...place } = parsed.data.error;
  throw GtpackError.ofProblems([{ code: code as ErrorCode, ...place } as Problem]);
}

export function goodReply(json: string): string {
  return `{"v":${CONTROL_VERSION},"ok":${json}}\n`;
}

export function errorReply(error: GtpackError): string {
  return `{"v":${CONTROL_VERSION},"error":${JSON.stringify(error.problems[0])}}\n`;
}

const ITEM_START = `{"v":${CONTROL_VERSION},"item":`;

/** @param json one JSON text without line breaks */
export function itemLine(json: string): string {
  return `${ITEM_START}${json}}\n`;
}

/** The JSON text inside an item's line: cut out, not parsed. @throws GtpackError `control_message_invalid` */
export function itemOf(line: string): string {
  if (line.startsWith(ITEM_START) && line.endsWith('}')) return line.slice(ITEM_START.length, -1);
  throw new GtpackError('control_message_invalid', 'The host sent something that is no item of a tail.');
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new GtpackError('control_message_invalid', 'A line on the control socket is not JSON.', {
      cause: error,
    });
  }
}

function assertVersion(value: unknown): void {
  const spoken = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined;
  if (spoken === CONTROL_VERSION) return;
  throw new GtpackError(
    'control_version_unknown',
    `The control socket speaks version ${CONTROL_VERSION} here; the other side speaks ${JSON.stringify(spoken) ?? 'none'}.`,
    { cure: 'Use the same release of gtpack for the host and for this command.' },
  );
}
