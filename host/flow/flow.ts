import type { Json, JsonObject } from '../event/json.ts';
import type { Schedule, WrittenPlan } from '../written/schedule.ts';

/**
 * The room of flows. Main process: `load.ts` reads a `.ygtc` file (`flow-file.ts` its shapes, `graph.ts` its edges,
 * `scalar-place.ts` the places inside its texts), `check-constants.ts` finds what is written so that its node would refuse it each time, `status-readers.ts` says where the flow itself deals with the status of an answer, `check-calls.ts` what flows call each other (`call.ts`); `match.ts` finds the flows of an event; `dispatcher.ts` carries
 * events from the bus to the cell and settles them, and `run-recorder.ts` stores what a run did before it goes on.
 * Cell: `executor.ts` runs flows; a run (`run.ts`) is one node after the other (`run-steps.ts`), which share its
 * journal and bounds (`run-state.ts`); what a chain of them has to itself is its frame (`frame.ts`), and a node that waits
 * for other chains runs them as its rounds (`rounds.ts`); `step.ts` is a node with all of its tries and `attempt.ts` one of them, `retry.ts`
 * says when the next one comes, and `run-failure.ts` what ends a run; `node/` holds a file per node type; `scope.ts` is
 * what expressions see; `expression.ts` and `template.ts` are CEL, `cel-value.ts` the way of JSON into it and back.
 *
 * Invariants:
 * - F1 a flow that loaded has no problem that can be found without running it.
 * - F2 an outcome that was recorded is never computed again (promise B3).
 * - F3 whatever a tenant wrote and can run without end runs inside `guard`.
 * - F4 a run ends with an outcome: nothing that a tenant wrote makes `run` reject.
 * - F5 the outcome of an effect is recorded before the next node starts (promise B3).
 */

/** A flow, read and checked: plain data that can be posted to a cell. Expressions are compiled in the cell. */
export interface Flow {
  readonly name: string;
  readonly version: string;
  /** BLAKE3 of the flow's text and its scripts, hex; a run keeps the digest that it started with. */
  readonly digest: string;
  /** For messages. */
  readonly file: string;
  readonly nodes: readonly FlowNode[];
  readonly triggers: readonly Trigger[];
  /** Helper modules that its scripts see, by file name. */
  readonly scripts: Readonly<Record<string, string>>;
  /** Whether a webhook waits for this flow: it, or a flow that it waits for, has an `http_response` node. */
  readonly answersWebhook: boolean;
}

interface NodeOf<Type extends string, Config> {
  readonly id: string;
  readonly type: Type;
  readonly config: Config;
  /** Target of `next` or `to`; undefined ends the run like `end`. */
  readonly next?: string;
  /** CEL; false passes over the node. */
  readonly when?: string;
  /** Name of the output in the scope of later nodes. */
  readonly output?: string;
  readonly retry?: Retry;
  /** Wall clock of one try. */
  readonly timeoutMs?: number;
  /** Target where the node has failed for good; `continue`, unless a node has that id, for the node's own next. */
  readonly onError?: string;
  /** Where nobody can tell whether the node's effect has happened: it happens (again), or the node fails. Default `repeat`. */
  readonly onUnknown?: OnUnknown;
  /** Place in the file, 1-based. */
  readonly line: number;
}

export const ON_UNKNOWN = ['repeat', 'fail'] as const;
export type OnUnknown = (typeof ON_UNKNOWN)[number];

/** What is tried again where it may go well another time. */
export interface Retry {
  /** Tries in all; at least 2. */
  readonly attempts: number;
  /** The longest wait before the second try; doubled each time. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

export type ScriptNode = NodeOf<
  'script',
  {
    readonly script: string;
    /** Place of the script's first character, 1-based. */
    readonly line: number;
    readonly column: number;
  }
>;

export type BranchNode = NodeOf<
  'branch',
  {
    readonly conditions: readonly { readonly expression: string; readonly next: string }[];
    readonly default?: string;
  }
>;

/** `value` may hold templates at any depth. */
export type TransformNode = NodeOf<'transform', { readonly value: Json }>;

/** Every field may hold templates. */
export type HttpResponseNode = NodeOf<
  'http_response',
  {
    /** Default 200. */
    readonly status?: number | string;
    readonly headers?: Readonly<Record<string, string>>;
    /** A text is sent as it is, any other JSON as JSON; nothing sends nothing. */
    readonly body?: Json;
  }
>;

/** Every field may hold templates. */
export type PublishNode = NodeOf<
  'publish',
  {
    readonly event_type: string;
    readonly payload: Json;
    /** Default: made of the run and the node, so that a repeated run publishes the same event. */
    readonly id?: string;
  }
>;

/** Statuses from `from` to `to`, both included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

/** `method`, `url`, `headers`, `query` and `body` may hold templates. */
export type HttpNode = NodeOf<
  'http',
  {
    /** Default GET. */
    readonly method?: string;
    readonly url: string;
    /** A value that is null is left out, like one of `query`. */
    readonly headers?: JsonObject;
    /** Added to the query of `url`; a list repeats its name. */
    readonly query?: JsonObject;
    /** A text is sent as it is, any other JSON as JSON. */
    readonly body?: Json;
    /** Name of credentials that the grant lets the host attach. */
    readonly auth?: string;
    /** Statuses that do not fail the node. Default: any success. */
    readonly expect?: readonly StatusRange[];
    /** With no `expect`: the flow deals with the status itself, and none fails the node for good (`status-readers.ts`). */
    readonly statusIsRead?: boolean;
    /** Shortens the grant's. */
    readonly timeoutMs?: number;
  }
>;

/** Calls an operation of a provider of the same tenant. */
export type EventNode = NodeOf<
  'event',
  {
    readonly provider: string;
    /** The operation. */
    readonly action: string;
    /** Its input; may hold templates at any depth. */
    readonly fields: JsonObject;
  }
>;

/** Another flow of the tenant, and what it is given. */
export interface FlowCall {
  readonly flow: string;
  /** May hold templates at any depth. Default: what the caller has before it. */
  readonly input?: Json;
  /** Place of its name, 1-based. */
  readonly line: number;
  readonly column: number;
}

export type FlowCallNode = NodeOf<'flow', FlowCall>;

export type AsyncNode = NodeOf<'async', FlowCall>;

/** What a round consists of: a chain of nodes of the same flow, or another flow. */
export type RoundBody =
  | { readonly kind: 'chain'; readonly target: string }
  | { readonly kind: 'flow'; readonly call: FlowCall };

export type ForeachNode = NodeOf<
  'foreach',
  {
    /** A list, or a template that gives one. */
    readonly items: Json;
    readonly body: RoundBody;
    readonly concurrency: number;
    readonly collects: boolean;
  }
>;

export type ParallelNode = NodeOf<
  'parallel',
  {
    readonly branches: readonly { readonly name: string; readonly body: RoundBody }[];
    readonly collects: boolean;
  }
>;

/** Calls an operation of a provider of the flow's own pack. */
export type ComponentNode = NodeOf<
  'component',
  {
    /** As the pack calls it where it was read, and as the bundle does once the flow is loaded. */
    readonly provider: string;
    readonly operation: string;
    /** May hold templates at any depth. */
    readonly input: Json;
  }
>;

/** The longest that a run is parked. */
export const MAX_WAIT_MS = 31 * 24 * 60 * 60_000;

/** What the event that came is called in the `when` of the wait for it. */
export const ARRIVED = 'arrived';

/** What a parked run goes on with at most, its event and its journal as texts in JSON, in characters. */
export const MAX_PARKED_CHARACTERS = 256 * 1024;

export interface AwaitedEvent {
  /** Tokens may be `*` for one token; the last may be `>` for the rest. */
  readonly pattern: string;
  /** CEL over the scope and the event that came, as `arrived`. */
  readonly when?: string;
  readonly timeoutMs: number;
}

/** For a time, until one, or for an event; exactly one of them. */
export type WaitNode = NodeOf<
  'wait',
  {
    readonly durationMs?: number;
    /** A text or a number; may be a template. */
    readonly until?: Json;
    readonly event?: AwaitedEvent;
  }
>;

export type FlowNode =
  | ScriptNode
  | BranchNode
  | TransformNode
  | HttpNode
  | HttpResponseNode
  | EventNode
  | PublishNode
  | FlowCallNode
  | AsyncNode
  | ForeachNode
  | ParallelNode
  | ComponentNode
  | WaitNode;

export const NODE_TYPES = [
  'script',
  'branch',
  'transform',
  'http',
  'http_response',
  'event',
  'publish',
  'flow',
  'async',
  'foreach',
  'parallel',
  'component',
  'wait',
] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** What the output of the last `http` node is called, besides its own name. */
export const HTTP_RESPONSE = 'http_response';

interface Named {
  readonly type?: string | undefined;
  readonly output?: string | undefined;
}

/** The names under which later nodes see a node's output. */
export function outputNames({ type, output }: Named): string[] {
  return [...(output === undefined ? [] : [output]), ...(type === 'http' ? [HTTP_RESPONSE] : [])];
}

/** What the rounds of a `foreach` see besides. */
const ROUND_NAMES = ['item', 'index'];

/** All of a flow's, each once. */
export function outputNamesOf(nodes: readonly Named[]): string[] {
  const rounds = nodes.some(({ type }) => type === 'foreach') ? ROUND_NAMES : [];
  return [...new Set([...nodes.flatMap(outputNames), ...rounds])];
}

/** Targets that end the run, unless a node has that id. */
export const RESERVED_TARGETS = ['respond', 'end'] as const;

/** Of `on_error`: goes on as if the node had passed its input on, unless a node has that id. */
export const CONTINUE = 'continue';

export type Trigger =
  /** The flow is called by its name. */
  | { readonly type: 'call'; readonly target: string }
  | {
      readonly type: 'event';
      /** Tokens may be `*` for one token; the last may be `>` for the rest. */
      readonly pattern: string;
      /** CEL over the event, evaluated in the cell; false passes the event over. */
      readonly when?: string;
      readonly target: string;
    }
  | {
      readonly type: 'timer';
      /** `flow:<name>/<index of the trigger>` */
      readonly schedule: string;
      readonly timing: Schedule<WrittenPlan>;
      readonly target: string;
    };
