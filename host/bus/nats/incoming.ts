import type { TenantId } from '../../event/names.ts';
import type { Msg } from './client.ts';

/** A message as a durable consumer gives it, read from its subjects alone. */
export interface Incoming {
  readonly tenant: TenantId;
  /** Of the subject, unchecked; without `.result`. */
  readonly type: string;
  readonly isResult: boolean;
  /** In the stream of events. */
  readonly sequence: number;
  /** How often the server gave it out. */
  readonly deliveries: number;
  /** When the server stored it; milliseconds since the Unix epoch. */
  readonly storedAt: number;
  /** Where acknowledgements go. */
  readonly reply: string;
  readonly message: Msg;
}

const RESULT = '.result';

/** @param prefix of the subjects of events, up to the tenant: `greentic.events.dev.` */
export function incoming(message: Msg, prefix: string): Incoming | undefined {
  const { subject, reply } = message;
  if (reply === undefined || !subject.startsWith(prefix)) return undefined;
  const [tenant, rest] = split(subject.slice(prefix.length));
  // $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<of the consumer>.<nanoseconds>.<pending>, and from 2.10 on
  // with a domain and an account in front: counted from the end, where a random token may follow.
  const tokens = reply.split('.');
  const from = tokens.length >= 11 ? 6 : 4;
  const [deliveries, sequence, , nanoseconds] = tokens.slice(from).map(Number);
  if (sequence === undefined || nanoseconds === undefined) return undefined;
  const isResult = rest.endsWith(RESULT);
  return {
    tenant: tenant as TenantId,
    type: isResult ? rest.slice(0, -RESULT.length) : rest,
    isResult,
    sequence,
    deliveries: deliveries ?? 1,
    storedAt: Math.floor(nanoseconds / 1_000_000),
    reply,
    message,
  };
}

/** Tenant and the rest, of a subject behind its prefix. */
export function split(subject: string): [string, string] {
  const at = subject.indexOf('.');
  return at < 0 ? [subject, ''] : [subject.slice(0, at), subject.slice(at + 1)];
}
