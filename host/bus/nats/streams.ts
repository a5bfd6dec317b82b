import { errorMessage, GtpackError } from '../../errors.ts';
import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from './client.ts';
import type { Connection } from './connection.ts';
import { keptStreamOf, keptSubjectsOf } from './kept-stream.ts';
import type { Layout } from './layout.ts';

export interface Keeping {
  /** How long an id is known (B4). */
  readonly dedupeWindowMs: number;
  /** How long events, settlements and journals are kept; an event that waits longer is lost. */
  readonly retentionMs: number;
  /** Bound on the stream of events; past it nothing is taken any more. */
  readonly maxBytes: number;
}

/** Within which the server itself drops a second message with the same id; it keeps all those ids in memory. */
const SERVER_WINDOW_MS = 120_000;
const STREAM_NOT_FOUND = 10059;

type Wanted = Pick<
  StreamConfig,
  | 'name'
  | 'subjects'
  | 'retention'
  | 'storage'
  | 'discard'
  | 'num_replicas'
  | 'max_age'
  | 'max_bytes'
  | 'max_msgs'
  | 'max_msgs_per_subject'
  | 'max_msg_size'
  | 'duplicate_window'
  | 'allow_direct'
  | 'description'
>;

/** What a server lets be changed on a stream that is there. */
const CHANGEABLE = new Set<keyof Wanted>([
  'subjects',
  'discard',
  'num_replicas',
  'max_age',
  'max_bytes',
  'max_msgs',
  'max_msgs_per_subject',
  'max_msg_size',
  'duplicate_window',
  'allow_direct',
  'description',
]);

/**
 * Creates the streams of an env, or adopts those that are there under their names.
 * @throws GtpackError `bus_mismatch` naming the field, `bus_refused`, `bus_unavailable`
 */
export async function openStreams(connection: Connection, layout: Layout, keeping: Keeping): Promise<void> {
  for (const wanted of wantedStreams(connection, layout, keeping)) await openStream(connection, wanted);
}

function wantedStreams(connection: Connection, layout: Layout, keeping: Keeping): Wanted[] {
  const { env } = layout;
  const { dedupeWindowMs, retentionMs, maxBytes } = keeping;
  const stream = (name: string, subjects: string[], description: string, more: Partial<Wanted>): Wanted => ({
    name,
    subjects,
    description,
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    // The oldest may not be done yet: a full stream refuses.
    discard: DiscardPolicy.New,
    num_replicas: connection.replicas,
    max_age: 0,
    max_bytes: -1,
    max_msgs: -1,
    max_msg_size: -1,
    max_msgs_per_subject: -1,
    duplicate_window: nanos(SERVER_WINDOW_MS),
    allow_direct: false,
    ...more,
  });
  const forHosts = `greentic.host.${env}`;
  return [
    stream(layout.events, [layout.allEvents], `gtpack: events and results of ${env}`, {
      max_age: nanos(retentionMs),
      max_bytes: maxBytes,
      duplicate_window: nanos(Math.min(SERVER_WINDOW_MS, dedupeWindowMs)),
    }),
    stream(layout.claims, [`${forHosts}.claim.>`], `gtpack: ids of ${env} within the dedupe window`, {
      max_age: nanos(dedupeWindowMs),
      max_msgs_per_subject: 1,
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(Math.min(SERVER_WINDOW_MS, dedupeWindowMs)),
    }),
    stream(
      layout.runs,
      [`${forHosts}.lease.>`, `${forHosts}.settled.>`],
      `gtpack: retries and finished runs of ${env}`,
      { max_age: nanos(retentionMs), max_msgs_per_subject: 1, discard: DiscardPolicy.Old },
    ),
    stream(layout.journals, [`${forHosts}.journal.>`], `gtpack: journals of the runs of ${env}`, {
      max_age: nanos(retentionMs),
    }),
    stream(keptStreamOf(env), [keptSubjectsOf(env)], `gtpack: what providers of ${env} keep`, {
      max_msgs_per_subject: 1,
    }),
    stream(layout.letters, [layout.allLetters, `${forHosts}.letter.>`], `gtpack: dead letters of ${env}`, {}),
  ];
}

async function openStream(connection: Connection, wanted: Wanted): Promise<void> {
  const { streams } = connection.manager;
  try {
    const { config } = await streams.info(wanted.name).catch(async (error: unknown) => {
      if (!isMissing(error)) throw error;
      return streams.add(wanted);
    });
    const changes: string[] = [];
    for (const field of Object.keys(wanted) as (keyof Wanted)[]) {
      const there = JSON.stringify(config[field] ?? defaultOf(field));
      const needed = JSON.stringify(wanted[field]);
      if (there === needed) continue;
      if (!CHANGEABLE.has(field)) throw mismatch(wanted.name, field, there, needed);
      changes.push(field);
    }
    if (changes.length > 0) await streams.update(wanted.name, { ...config, ...wanted });
  } catch (error) {
    if (error instanceof GtpackError) throw error;
    throw unopened(wanted, error);
  }
}

/** Servers leave out what is false or 0. */
function defaultOf(field: keyof Wanted): unknown {
  if (field === 'max_age') return 0;
  return field === 'allow_direct' ? false : undefined;
}

function isMissing(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND;
}

function mismatch(stream: string, field: string, there: string, needed: string): GtpackError {
  return new GtpackError(
    'bus_mismatch',
    `The stream ${stream} on the NATS server has ${field} ${there}; this host needs ${needed}, and no server changes that in place.`,
    { cure: 'Move its messages into another stream and delete it, or give this env another name.' },
  );
}

function unopened({ name, num_replicas, max_bytes }: Wanted, cause: unknown): GtpackError {
  const message = errorMessage(cause);
  if (!(cause instanceof JetStreamApiError))
    return new GtpackError('bus_unavailable', `The stream ${name} could not be opened: ${message}.`, {
      cause,
    });
  return new GtpackError(
    'bus_mismatch',
    `The NATS server refuses the stream ${name} with num_replicas ${num_replicas} and max_bytes ${max_bytes}: ${message}.`,
    {
      cure: 'Correct bus.replicas and bus.max_bytes in the bundle, or rename or delete what is in the way on the server.',
      cause,
    },
  );
}

function nanos(ms: number): number {
  return ms * 1_000_000;
}
