/** The documents of WIT package `gtpack:plugin@0.1.0` (sdk/wit/plugin.wit), as types. Instants are milliseconds since the Unix epoch, UTC. */

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** A request from outside, as `ingest` gets it. */
export interface IngestRequest {
  /** Last part of `/v1/events/ingress/{provider}/{tenant}/{handler}`; null on the short path. */
  readonly handler: string | null;
  /** From `/events/webhook/{tenant}/{event_type}`, checked; null on the long path. */
  readonly event_type: string | null;
  /** Upper case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names; without `authorization`, `cookie` and `proxy-authorization`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** `base64` where the bytes are not UTF-8. */
  readonly body_encoding: 'utf8' | 'base64';
  /** The scheme by which the host checked who signed it, as the bundle calls it; null where the bundle asks for no signature. */
  readonly verified: string | null;
  readonly received_at: number;
}

/** An event as a provider gives it; the host adds the rest. */
export interface EventDraft {
  /** Dot-separated tokens of a-z, 0-9, _ and -. Left out: the request's event type. */
  readonly event_type?: string;
  /** Left out: a UUIDv7. */
  readonly id?: string;
  /** Left out: when the request was received, or the tick scheduled. */
  readonly timestamp?: number;
  /** 1 to 1,024 characters; the same key within the bundle's window is processed once. */
  readonly idempotency_key?: string;
  readonly payload: Json;
  /** The keys that the host owns are overwritten. */
  readonly metadata?: JsonObject;
}

/** What `ingest` returns: at most 1,000 events, and an answer for a sender that needs one. */
export interface IngestOutcome {
  readonly events: readonly EventDraft[];
  readonly response?: {
    /** 200 to 599. */
    readonly status: number;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  };
}

/** An instant of a schedule that has come. */
export interface Tick {
  /** Names the schedule within its tenant. */
  readonly schedule: string;
  /** The flow's name. */
  readonly name: string;
  readonly scheduled_at: number;
  readonly fired_at: number;
  /** The instant before this one, if it fired. */
  readonly last_run: number | null;
  /** Instants since `last_run` that were passed over. */
  readonly missed: number;
}

export interface TickOutcome {
  readonly events: readonly EventDraft[];
}

/** An event of the bus. */
export interface Event {
  readonly id: string;
  readonly event_type: string;
  readonly source: string;
  readonly timestamp: number;
  readonly payload: Json;
  readonly metadata?: JsonObject;
}

export interface HandleOutcome {
  readonly events?: readonly EventDraft[];
}
