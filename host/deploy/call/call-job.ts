import type { PluginExport } from '../../contract.ts';
import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { PackProvider } from '../../pack/pack.ts';
import type { IngestRequest, Job, Tick } from '../../sandbox/protocol.ts';

const INPUT_BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxBodyBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};

/**
 * What a cell is asked to do. The input of `ingest` and `tick` has the fields of sdk/wit, each with a default; every other
 * operation goes to `invoke`.
 * @param isListed whether the operations that the provider lists are all that it has
 * @param now milliseconds since the Unix epoch
 * @throws GtpackError `json_invalid`, `json_too_large` and their like, `operation_unknown`
 */
export function callJob(
  operation: string,
  input: string,
  provider: PackProvider,
  { isListed, now }: { readonly isListed: boolean; readonly now: number },
): Job {
  const parsed = parseBoundedJson(input, INPUT_BOUNDS, 'The input');
  const { id, exports } = provider;
  if (operation === 'ingest' && exports.includes('ingest'))
    return { kind: 'ingest', provider: id, request: requestOf(fieldsOf(parsed), now) };
  if (operation === 'tick' && exports.includes('tick'))
    return { kind: 'tick', provider: id, tick: tickOf(fieldsOf(parsed), now) };
  if (isListed) checkListed(operation, provider);
  return { kind: 'invoke', provider: id, operation, input };
}

function checkListed(operation: string, { id, exports, operations }: PackProvider): void {
  const known = operations.map(({ name }) => name);
  if (known.includes(operation)) return;
  const exported = exports.filter((name): name is PluginExport => name === 'ingest' || name === 'tick');
  const all = [...exported, ...known];
  throw new GtpackError(
    'operation_unknown',
    `The provider ${id} has no operation ${JSON.stringify(operation)}.`,
    { cure: all.length === 0 ? 'It has none at all.' : `Known: ${all.join(', ')}.` },
  );
}

type Fields = Readonly<Record<string, Json>>;

function fieldsOf(input: Json): Fields {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input as Fields;
  throw new GtpackError(
    'json_invalid',
    'The input has to be a JSON object with the fields of the request or the tick.',
  );
}

function requestOf(fields: Fields, now: number): IngestRequest {
  const { body = '' } = fields;
  return {
    handler: textOr(fields.handler, null),
    eventType: textOr(fields.event_type, 'call.test'),
    method: textOr(fields.method, 'POST'),
    path: textOr(fields.path, '/'),
    query: textsOf(fields.query),
    headers: { 'content-type': 'application/json', ...textsOf(fields.headers) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    bodyEncoding: fields.body_encoding === 'base64' ? 'base64' : 'utf8',
    verified: textOr(fields.verified, null),
    receivedAt: numberOr(fields.received_at, now),
  };
}

function tickOf(fields: Fields, now: number): Tick {
  const scheduledAt = numberOr(fields.scheduled_at, now);
  return {
    id: 'tick-call',
    schedule: textOr(fields.schedule, 'flow:call/0'),
    name: textOr(fields.name, 'call'),
    scheduledAt,
    firedAt: numberOr(fields.fired_at, scheduledAt),
    lastRun: typeof fields.last_run === 'number' ? fields.last_run : null,
    missed: numberOr(fields.missed, 0),
  };
}

function textOr<T extends string | null>(value: Json | undefined, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

function numberOr(value: Json | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}

function textsOf(value: Json | undefined): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name.toLowerCase(), text]] : [],
    ),
  );
}
