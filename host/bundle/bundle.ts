import type { Json } from '../event/json.ts';
import type { EnvName, TenantId } from '../event/names.ts';
import type { Grants } from '../grant/grants.ts';
import type { Handshake } from '../grant/handshakes.ts';
import type { Secret, Secrets } from '../grant/secret.ts';
import type { SignatureScheme } from '../grant/signature-scheme.ts';
import type { Limits } from '../limits.ts';
import type { AuditOptions } from './audit-shape.ts';
import type { ListenAddress } from './listen-address.ts';
import type { ProviderSchedules } from './provider-schedules.ts';

/** A bundle, read once, resolved against its folder, and frozen. */
export interface Bundle {
  /** Absolute path of the bundle file. */
  readonly file: string;
  /** Absolute path of its folder; paths in the file are relative to it. */
  readonly dir: string;
  readonly env: EnvName;
  readonly http: HttpOptions;
  readonly bus: BusOptions;
  /** Where health and metrics are; null where the bundle wants none. */
  readonly operator: ListenAddress | null;
  readonly audit: AuditOptions;
  /** How long running work may take to finish once the host is told to stop (promise B7), in ms. */
  readonly drainGraceMs: number;
  /** How long an id is remembered (promise B4), in ms. */
  readonly dedupeWindowMs: number;
  /** Fingerprints of the keys whose packs may run; null where the bundle does not say. */
  readonly trust: ReadonlySet<string> | null;
  readonly tenants: readonly TenantBundle[];
  /** Of secrets that are in no grant or open to others, for the operator, one sentence each. */
  readonly warnings: readonly string[];
}

export interface HttpOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly maxBodyBytes: number;
  /** How long a webhook waits for a flow's `http_response`, in ms. */
  readonly responseTimeoutMs: number;
  /** What senders see before the path, without a slash at its end; null where the bundle does not say. */
  readonly publicUrl: string | null;
}

export type BusOptions = EmbeddedBusOptions | NatsOptions;

export interface EmbeddedBusOptions {
  readonly kind: 'embedded';
  /** Absolute path of the database file. */
  readonly file: string;
  /** How long settled events and finished runs are kept, in ms; not under the dedupe window. */
  readonly retentionMs: number;
  /** Bound on the file. */
  readonly maxBytes: number;
}

export interface NatsOptions {
  readonly kind: 'nats';
  /** `host:port`, with `nats://` or `tls://` or nothing in front. */
  readonly servers: readonly string[];
  /** Null where there are none, or where no secret was to be read. */
  readonly credentials: Secret | null;
  /** Absolute paths; null where the server decides. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  /** Copies of each stream. */
  readonly replicas: 1 | 3 | 5;
  /** How long events and finished runs are kept, in ms; not under the dedupe window. */
  readonly retentionMs: number;
  /** Bound on the stream of events; null for none. */
  readonly maxBytes: number | null;
}

export interface TenantBundle {
  readonly id: TenantId;
  readonly providers: readonly ProviderBinding[];
  /** Absolute paths of the flow files. */
  readonly flows: readonly string[];
  /** What those flows may reach; nothing where the bundle does not say. The flows of packs have their provider's grants. */
  readonly grants: Grants;
  /** Those that its grants name. */
  readonly secrets: Secrets;
  readonly limits: Limits;
  /** `process`: its cell host holds no other tenant. One provider that asks for it is enough. */
  readonly isolation: 'shared' | 'process';
  /** Its events are processed one after another, in strict order. */
  readonly ordered: boolean;
}

export interface ProviderBinding {
  readonly id: string;
  /** Absolute path of the `.gtpack`. */
  readonly pack: string;
  /** Shown in messages: where the bundle file names it, 1-based. */
  readonly line: number;
  readonly enabled: boolean;
  /** Its pack may run whoever signed it, or nobody. */
  readonly allowUnsigned: boolean;
  readonly config: Json;
  /** What its config says of schedules, for one of kind `timer`. */
  readonly schedules?: ProviderSchedules;
  /** What the provider may reach; nothing where the bundle does not say. */
  readonly grants: Grants;
  /** How its senders sign, one of them at least; none where the bundle does not say, and then nothing is checked. */
  readonly signatures: readonly SignatureScheme[];
  /** What passes without a signature, and is answered. Default: nothing. */
  readonly handshakes?: readonly Handshake[];
}
