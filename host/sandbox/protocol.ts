import type { GuestProblem, LogLevel, PluginExport, PluginImport } from '../contract.ts';

/**
 * The wire between the main process, a cell host (child process) and its cells (workers).
 *
 * Over both hops, in both directions, what travels is an array of these messages: a batch. The cell host's main thread
 * reads `cell` and passes the rest on; it looks into nothing else. Everything a guest wrote travels as text that the
 * main process does not parse.
 */

/** Main process → cell host. */
export type HostMessage =
  /** Bytes of a core module; compiled once for all cells of this cell host, under its digest. */
  | { readonly kind: 'module'; readonly digest: string; readonly bytes: Uint8Array }
  | { readonly kind: 'open'; readonly cell: number; readonly spec: CellSpec }
  | { readonly kind: 'job'; readonly cell: number; readonly id: number; readonly job: Job }
  | {
      readonly kind: 'effect_answer';
      readonly cell: number;
      readonly call: number;
      readonly answer: EffectAnswer;
    }
  /** Ends the cell; its open jobs were already failed by the sender of this. */
  | { readonly kind: 'close'; readonly cell: number };

/** Cell host → main process. */
export type CellHostMessage =
  | { readonly kind: 'heartbeat' }
  | { readonly kind: 'opened'; readonly cell: number }
  | { readonly kind: 'job_done'; readonly cell: number; readonly id: number; readonly result: JobResult }
  | { readonly kind: 'effect'; readonly cell: number; readonly call: number; readonly effect: Effect }
  /** A flow answers the webhook that waits for this event. */
  | { readonly kind: 'respond'; readonly cell: number; readonly eventId: string; readonly answer: HttpAnswer }
  | {
      readonly kind: 'log';
      readonly cell: number;
      readonly provider: string;
      readonly level: LogLevel;
      readonly message: string;
    }
  /** The cell is gone: crashed, or ended by the supervisor for what `job` did. */
  | {
      readonly kind: 'cell_lost';
      readonly cell: number;
      readonly reason: CellLossReason;
      readonly guilty?: Guilt;
    };

export type CellLossReason = 'overrun' | 'memory' | 'crash' | 'open_failed';

/** Whose code was running when a cell was ended. */
export interface Guilt {
  /** The job that the guilty call served; its sender gets the error, all others of the cell are redelivered. */
  readonly job: number;
  readonly detail: string;
}

/** All that a tenant's cell is made of. */
export interface CellSpec {
  readonly tenant: string;
  readonly providers: readonly ProviderSpec[];
  /** What the flow executor was given for this tenant; opaque to the sandbox. */
  readonly program: unknown;
  readonly limits: CellLimits;
}

export interface CellLimits {
  readonly cpuSliceMs: number;
  readonly callWallMs: number;
  readonly maxTenantMemoryBytes: number;
  readonly maxEventBytes: number;
  readonly maxJsonDepth: number;
  readonly maxJsonElements: number;
  readonly maxDraftsPerCall: number;
  readonly maxFlowSteps: number;
  readonly maxEffectsPerRun: number;
  readonly maxLogLineBytes: number;
  readonly maxLogLinesPerCall: number;
}

export interface ProviderSpec {
  readonly id: string;
  readonly plugin: PluginSpec;
  readonly exports: readonly PluginExport[];
  /** The functions that it is linked with: requested by the pack and granted by the bundle. */
  readonly imports: readonly PluginImport[];
  /** The provider's `config` in the bundle, as JSON text. */
  readonly config: string;
}

export type PluginSpec =
  | { readonly kind: 'assemblyscript'; readonly module: string }
  /** Glue made by the host's own transpiler; `modules` maps the glue's file names to digests. */
  | {
      readonly kind: 'component';
      readonly glue: string;
      readonly modules: Readonly<Record<string, string>>;
    };

export type Job =
  | { readonly kind: 'ingest'; readonly provider: string; readonly request: IngestRequest }
  | { readonly kind: 'tick'; readonly provider: string; readonly tick: Tick }
  | { readonly kind: 'invoke'; readonly provider: string; readonly operation: string; readonly input: string }
  | {
      readonly kind: 'run';
      readonly event: string;
      readonly attempt: number;
      readonly runs: readonly RunOrder[];
    };

/** A request to ingress, bounded and decoded, not parsed. */
export interface IngestRequest {
  /** Last part of `/v1/events/ingress/{provider}/{tenant}/{handler}`, or null on the short path. */
  readonly handler: string | null;
  /** From `/events/webhook/{tenant}/{event_type}`, checked; null on the long path. */
  readonly eventType: string | null;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names; credentials (`authorization`, `cookie`, `proxy-authorization`) left out. */
  readonly headers: Readonly<Record<string, string>>;
  /** UTF-8 text, or base64 where the bytes are not UTF-8. */
  readonly body: string;
  readonly bodyEncoding: 'utf8' | 'base64';
  /** Milliseconds since the Unix epoch. */
  readonly receivedAt: number;
}

/** One instant of a schedule that has come. Instants are milliseconds since the Unix epoch. */
export interface Tick {
  /** Names the schedule within its tenant: `flow:<name>/<trigger index>`. */
  readonly schedule: string;
  /** The event type's last token when the provider does not say otherwise: the flow's name. */
  readonly name: string;
  readonly scheduledAt: number;
  readonly firedAt: number;
  /** The instant before, if it fired. */
  readonly lastRun: number | null;
  /** Instants since `lastRun` that were passed over. */
  readonly missed: number;
}

export interface RunOrder {
  readonly runId: string;
  readonly flow: string;
  /** Entries of the run's journal as JSON texts, in order; empty for a new run. */
  readonly journal: readonly string[];
}

export type JobResult =
  | { readonly kind: 'events'; readonly events: readonly NormalizedEvent[]; readonly answer?: HttpAnswer }
  | { readonly kind: 'output'; readonly output: string }
  | { readonly kind: 'runs'; readonly runs: readonly RunOutcome[] }
  /** The guest's own typed error. */
  | { readonly kind: 'problem'; readonly problem: GuestProblem }
  /** The host's error about the guest or the call, by the code of host/errors.ts. */
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

/** An event made of a draft in the cell. The main process checks `id` and `type` again before it uses them. */
export interface NormalizedEvent {
  readonly id: string;
  readonly type: string;
  /** The whole event as JSON text. */
  readonly json: string;
}

export interface RunOutcome {
  readonly runId: string;
  readonly flow: string;
  readonly status: 'ok' | 'error';
  /** JSON text; present when `ok`. */
  readonly output?: string;
  readonly error?: RunError;
  /** Outcomes of the run's nodes in order, as JSON text of an array. */
  readonly journalJson: string;
  readonly durationMs: number;
}

export interface RunError {
  readonly code: string;
  readonly message: string;
  readonly node: string | null;
  readonly retryable: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Something a run or a guest asks of the broker. */
export interface Effect {
  readonly capability: 'bus.publish';
  readonly provider: string | null;
  readonly run: EffectRun | null;
  /** JSON text, made by the cell. */
  readonly input: string;
  /** Events to publish, for `bus.publish`. */
  readonly events: readonly NormalizedEvent[];
}

export interface EffectRun {
  readonly runId: string;
  readonly flow: string;
  readonly node: string;
  /** Entries made since the last effect, with this effect's own at the end; stored with the effect. */
  readonly journal: readonly { readonly ordinal: number; readonly entry: string }[];
}

export type EffectAnswer =
  | { readonly kind: 'ok'; readonly output: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };
