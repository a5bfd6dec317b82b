import type { TapListener } from './bus/bus.ts';
import type { EventType, TenantId } from './event/names.ts';

/** A host that serves a bundle: what the command line and the control socket see of it. */
export interface RunningHost {
  /** Base URL of ingress, as a sender on this machine reaches it. */
  readonly url: string;
  describe(): HostDescription;
  /** Hears every event and result as it becomes durable. @returns the function that stops it */
  tap(listener: TapListener): () => void;
  /**
   * Publishes an event on an operator's behalf; resolves when it is durable.
   * @param payloadJson bounded and parsed here
   * @throws GtpackError `tenant_invalid`, `event_type_invalid`, `json_invalid` and the bounds of JSON
   */
  emit(tenant: string, type: string, payloadJson: string): Promise<Emitted>;
  /** Takes no new work, lets running work finish within the grace, and hands back the rest (promise B7). */
  stop(graceMs: number): Promise<void>;
}

export interface Emitted {
  readonly tenant: TenantId;
  readonly type: EventType;
  readonly id: string;
}

export interface HostDescription {
  readonly env: string;
  readonly bundle: string;
  readonly url: string;
  readonly tenants: readonly TenantDescription[];
}

export interface TenantDescription {
  readonly id: string;
  readonly providers: readonly { readonly id: string; readonly kind: string; readonly pack: string }[];
  /** Event types are the sender's to choose: `…/{event_type}`. */
  readonly webhookUrls: readonly string[];
  readonly flows: readonly { readonly name: string; readonly triggers: readonly string[] }[];
  readonly timers: readonly TimerDescription[];
}

export interface TimerDescription {
  readonly schedule: string;
  /** As its author wrote it: `cron "0 9 * * *" America/New_York`, `every 60 s`. */
  readonly plan: string;
  /** Milliseconds since the Unix epoch; null if it never comes again. */
  readonly next: number | null;
}
