import type { JsonObject } from '../event/json.ts';

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
  /** Whether a webhook waits for this flow: it has an `http_response` node. */
  readonly answersWebhook: boolean;
}

export interface FlowNode {
  readonly id: string;
  readonly type: NodeType;
  readonly config: JsonObject;
  /** Target of `next` or `to`; undefined ends the run like `end`. */
  readonly next?: string;
  /** Place in the file, 1-based. */
  readonly line: number;
}

export const NODE_TYPES = ['script', 'branch', 'transform', 'http_response', 'publish'] as const;
export type NodeType = (typeof NODE_TYPES)[number];

/** Targets that end the run, unless a node has that id. */
export const RESERVED_TARGETS = ['respond', 'end'] as const;

export type Trigger =
  | {
      readonly type: 'event';
      /** Tokens may be `*` for one token; the last may be `>` for the rest. */
      readonly pattern: string;
      readonly target: string;
    }
  | {
      readonly type: 'timer';
      /** `flow:<name>/<index of the trigger>` */
      readonly schedule: string;
      readonly plan: TimerPlan;
      readonly target: string;
    };

export type TimerPlan =
  /** 5 or 6 fields. */
  | { readonly kind: 'cron'; readonly cron: string; readonly timezone: string }
  | { readonly kind: 'interval'; readonly everyMs: number };
