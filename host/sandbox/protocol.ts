import type {
  GuestProblem,
  LogLevel,
  PluginExport,
  PluginImport,
  ProviderSchemas,
  WaitingImport,
} from '../contract.ts';
import type { Problem } from '../errors.ts';
import type { MemoryWords } from './host-memories.ts';

/**
 * The wire between the main process, a cell host (child process) and its cells (workers).
 *
 * Over both hops, in both directions, what travels is an array of these messages: a batch. The cell host's main thread
 * passes what is for a cell on without looking into it. Everything a guest wrote travels as text that the main process
 * does not parse.
 */

/** Main process → cell host. */
export type HostMessage =
  /** Bytes of a core module; compiled once for all cells of this cell host, under its digest. */
  | { readonly kind: 'module'; readonly digest: string; readonly bytes: Uint8Array }
  /** No cell uses these modules any more. */
  | { readonly kind: 'forget'; readonly digests: readonly string[] }
  | {
      readonly kind: 'open';
      readonly cell: number;
      readonly spec: CellSpec;
      /** No other cell will come to this host. */
      readonly isAlone?: true;
    }
  | { readonly kind: 'cell'; readonly cell: number; readonly messages: CellMessage[] }
  /** Ends the cell; the sender of this has settled its open jobs. */
  | { readonly kind: 'close'; readonly cell: number };

/** Cell host → main process. */
export type CellHostMessage =
  | { readonly kind: 'heartbeat' }
  /** Cells whose code ran without a pause at the last look; in place of those named before. */
  | {
      readonly kind: 'running';
      readonly cells: readonly { readonly cell: number; readonly job: number; readonly source: string }[];
    }
  /** The process is about to end for this cell, which was lost already. */
  | { readonly kind: 'giving_up'; readonly cell: number }
  | { readonly kind: 'cell'; readonly cell: number; readonly messages: CellReport[] }
  | { readonly kind: 'cell_lost'; readonly cell: number; readonly loss: CellLoss };

/** Main process → cell, by way of its cell host. */
export type CellMessage =
  | { readonly kind: 'job'; readonly id: number; readonly job: Job }
  | { readonly kind: 'effect_answer'; readonly call: number; readonly answer: EffectAnswer };

/** Cell → main process, by way of its cell host. */
export type CellReport =
  /** `problems`: providers (`plugin_invalid`) and flows that cannot run, while the rest of the cell can. */
  | { readonly kind: 'opened'; readonly problems: readonly Problem[] }
  /** A plugin or a flow cannot start; the cell ends itself. */
  | { readonly kind: 'open_failed'; readonly detail: string }
  | { readonly kind: 'job_done'; readonly id: number; readonly result: JobResult }
  | { readonly kind: 'effect'; readonly call: number; readonly effect: Effect }
  /** Stores what a run did before it goes on; answered like an effect. */
  | { readonly kind: 'record'; readonly call: number; readonly journal: RunJournal }
  /** A flow answers the webhook that waits for this event. */
  /** A guest is out of the cell's hands, and the cell has to end for it. */
  | { readonly kind: 'give_up'; readonly loss: CellLoss }
  | { readonly kind: 'respond'; readonly eventId: string; readonly answer: HttpAnswer }
  /** What its code used since the last time; goes with what it says anyway. */
  | { readonly kind: 'usage'; readonly usage: readonly SourceUsage[] }
  | ({ readonly kind: 'log' } & CellLogLine);

/** A line of a guest or a script. */
export interface CellLogLine {
  /** A provider's id or `flow:<name>`. */
  readonly source: string;
  readonly level: LogLevel;
  readonly message: string;
  /** What it was written in; absent where nothing had begun. */
  readonly place?: LogPlace;
}

/** Each as far as it is known. */
export interface LogPlace {
  readonly run?: string;
  readonly node?: string;
  /** A trace id. */
  readonly trace?: string;
}

/** What a provider or flow (`flow:<name>`) has used. */
export interface SourceUsage {
  readonly source: string;
  readonly cpuMs: number;
  /** What its instances hold now; 0 for a flow, whose script engine is the cell's. */
  readonly memoryBytes: number;
}

/** Supervisor → a worker that is to become a cell; the first message that it gets. */
export interface CellStart {
  readonly spec: CellSpec;
  readonly modules: ReadonlyMap<string, WebAssembly.Module>;
  /** What is wrong with modules that could not be compiled, by digest. */
  readonly faults: ReadonlyMap<string, string>;
  /** The slot in which the cell tells its supervisor what it runs; see watch.ts. */
  readonly watch: SharedArrayBuffer;
  readonly memories: MemoryWords;
}

/** Why a cell is gone. */
export interface CellLoss {
  readonly reason: 'overrun' | 'memory' | 'crash' | 'open_failed' | 'stopped';
  readonly detail: string;
  /** The job whose code was running: its sender gets the error, all others of the cell are redelivered. */
  readonly job: number | null;
  /** Whose code was running: a provider's id or `flow:<name>`. */
  readonly source: string | null;
}

/** All that a tenant's cell is made of. */
export interface CellSpec {
  readonly tenant: string;
  readonly providers: readonly ProviderSpec[];
  /** What the flow executor was given for this tenant; opaque to the sandbox. */
  readonly program: unknown;
  /** Digests of the modules that the program needs besides the providers' own. */
  readonly programModules: readonly string[];
  readonly limits: CellLimits;
  /** Providers and flows (`flow:<name>`) that are quarantined: the cell opens without them. */
  readonly without?: readonly string[];
}

export interface CellLimits {
  readonly cpuSliceMs: number;
  readonly callWallMs: number;
  /** Of a call that may wait on effects; past it every effect is answered with a problem. */
  readonly effectCallWallMs: number;
  readonly maxTenantMemoryBytes: number;
  /** WebAssembly memories of all cells in one process. */
  readonly maxMemoriesPerHost: number;
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
  /** Checked in the cell, which alone compiles them. */
  readonly schemas?: ProviderSchemas;
}

export type PluginSpec =
  | { readonly kind: 'assemblyscript'; readonly module: string }
  /** Glue made by the host's own transpiler; `modules` maps the glue's file names to digests. */
  | {
      readonly kind: 'component';
      readonly glue: string;
      readonly modules: Readonly<Record<string, string>>;
      /** For a component that was built for another host: what its binding is made of; opaque to the sandbox. */
      readonly binding: unknown;
    };

export type Job =
  | { readonly kind: 'ingest'; readonly provider: string; readonly request: IngestRequest }
  | { readonly kind: 'tick'; readonly provider: string; readonly tick: Tick }
  | { readonly kind: 'invoke'; readonly provider: string; readonly operation: string; readonly input: string }
  /** Runs nothing: what the provider's instances hold. */
  | { readonly kind: 'measure'; readonly provider: string }
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
  /** The scheme of the bundle by which the host checked the signature; null where the bundle asks for none. */
  readonly verified: string | null;
  /** Milliseconds since the Unix epoch. */
  readonly receivedAt: number;
}

/** One instant of a schedule that has come. Instants are milliseconds since the Unix epoch. */
export interface Tick {
  /** The same for the same instant of the same schedule, on every host: the id of the event that it becomes. */
  readonly id: string;
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
  /** Index in the flow's triggers. */
  readonly trigger: number;
  /** Of the event on the bus: the same on every delivery, and another after a replay. */
  readonly position: number;
  /** Entries of the run's journal as JSON texts, in order; empty for a new run. */
  readonly journal: readonly string[];
  /** Flows as the run began with them, as JSON texts, where they are others by now. */
  readonly versions?: readonly string[];
  readonly arrived?: ArrivedEvent;
}

/** An event that a parked run waits for. */
export interface ArrivedEvent {
  /** Of the entry of its wait in the journal. */
  readonly ordinal: number;
  /** JSON text; null where it is too large to go on with. */
  readonly event: string | null;
  /** The run is asked whether it is the one, and goes on with nothing: `waiting` where it is, else `passed`. */
  readonly isOffer?: boolean;
}

export type JobResult =
  | { readonly kind: 'events'; readonly events: readonly NormalizedEvent[]; readonly answer?: HttpAnswer }
  | { readonly kind: 'output'; readonly output: string }
  /** Actual sizes of its memories together. */
  | { readonly kind: 'memory'; readonly bytes: number }
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
  /** `waiting`: it is to go on later, and all that it did so far is recorded. `passed`: its trigger did not want the event. */
  readonly status: 'ok' | 'error' | 'waiting' | 'passed';
  /** JSON text; present when `ok`. */
  readonly output?: string;
  readonly error?: RunError;
  /** Until it goes on, in milliseconds; present when `waiting`. */
  readonly waitMs?: number;
  /** What a run goes on with that its own flow makes wait, or that failed; absent where it only waits for its next try. */
  readonly parked?: ParkedOutcome;
  /** How often earlier deliveries put it off of its own will; absent for never. */
  readonly waits?: number;
  /** Of a failure that may go away: no sooner than that, as a vendor said. */
  readonly retryAfterMs?: number;
  /** Outcomes of the run's nodes in order, as JSON text of an array. */
  readonly journalJson: string;
  readonly durationMs: number;
}

export interface ParkedOutcome {
  /** Milliseconds since the Unix epoch. */
  readonly due: number;
  /** How often it was put off or parked, this time included. */
  readonly waits: number;
  readonly journal: RunJournal['journal'];
  readonly awaits?: AwaitsEvent;
}

export interface AwaitsEvent {
  /** Of the entry of the wait in the journal. */
  readonly ordinal: number;
  /** Of the event's type. */
  readonly pattern: string;
  /** What the event has to hold at a path, as JSON text. */
  readonly key?: { readonly path: readonly string[]; readonly value: string };
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
  readonly capability: WaitingImport;
  /** As in sdk/wit: `send`, `publish`. */
  readonly fn: string;
  /** What the guest passed, bounded in length, not parsed. */
  readonly args: readonly string[];
  /** The bundle's provider, or `flow:<name>` for a node of a flow. */
  readonly source: string;
  readonly run: EffectRun | null;
  /** For `bus.publish`: the drafts as the cell normalized them. */
  readonly events: readonly NormalizedEvent[];
  /** Of an effect of a run: the same whenever it is asked for again, on every delivery and every try. */
  readonly key?: string;
  /** Its span, as a `traceparent`; absent where it belongs to no trace. */
  readonly trace?: string;
}

export interface EffectRun extends RunJournal {
  readonly flow: string;
  readonly node: string;
}

export interface RunJournal {
  readonly runId: string;
  /** Entries made since the last time. With an effect, they are stored together with it, its own at the end. */
  readonly journal: readonly { readonly ordinal: number; readonly entry: string }[];
}

export type EffectAnswer =
  | { readonly kind: 'ok'; readonly output: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };
