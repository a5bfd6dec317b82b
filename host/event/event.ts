import type { Json, JsonObject } from './json.ts';

/** The request behind an event; header names are lower-case, credentials left out. */
export interface HttpMetadata extends JsonObject {
  readonly method: string;
  readonly path: string;
  readonly headers: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string };
  /** The scheme by which the host checked the request's signature; absent where the bundle asks for none. */
  readonly verified?: string;
}

/** A normalized event, as it stands on the bus. */
export interface Event {
  /** Unique in its tenant; UUIDv7 unless the provider gives a stable one. At most 128 printable characters. */
  readonly id: string;
  readonly event_type: string;
  /** The pack's provider, or `flow:<name>`. */
  readonly source: string;
  /** Milliseconds since the Unix epoch, UTC. */
  readonly timestamp: number;
  readonly payload: Json;
  readonly metadata?: EventMetadata;
}

/** Free to providers, but for the keys listed here, which the host owns and overwrites. */
export interface EventMetadata extends JsonObject {
  /** 32 lower-case hex digits, W3C Trace Context. */
  readonly trace_id: string;
  readonly correlation_id: string;
  /** The event that caused this one, where there is one. */
  readonly causation_id?: string;
  /** How many events lie between this one and the outside. Past 16 the event is dead-lettered. */
  readonly hops: number;
  readonly idempotency_key?: string;
  readonly http?: HttpMetadata;
  /** The schedule whose tick this event is. */
  readonly schedule?: string;
}

/** What a guest may say of an event; the host adds the rest. */
export interface EventDraft {
  readonly id?: string;
  readonly event_type?: string;
  readonly timestamp?: number;
  readonly idempotency_key?: string;
  readonly payload: Json;
  readonly metadata?: JsonObject;
}

export const MAX_HOPS = 16;
