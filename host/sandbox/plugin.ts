import type { GuestProblem, LogLevel, PluginExport, WaitingImport } from '../contract.ts';

/**
 * What a plugin is to the cell, whichever kind it is. Data crosses as one JSON text a call. An instance serves one call
 * at a time, also while it is suspended; the pool sees to that and to disposal.
 */
export interface PluginModule {
  /** Runs guest code: initializers and start functions. @throws whatever the guest's start threw */
  instantiate(imports: GuestImports): PluginInstance;
}

/** One instantiated guest. */
export interface PluginInstance {
  /**
   * `operation` is given for `invoke` only. A promise comes from a guest that is linked with a function that waits. Any
   * throw or rejection means that the instance must be dropped: a trap, a lie about its memory, or an exception that is
   * not the guest's own typed error.
   */
  call(name: PluginExport, input: string, operation?: string): GuestReply | Promise<GuestReply>;
  /** Sum of the actual sizes of its linear memories. */
  memoryBytes(): number;
  /** How many linear memories it has. */
  memoryCount(): number;
}

export type GuestReply =
  | { readonly kind: 'ok'; readonly json: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };

/** Host functions a guest is linked with: those that it was granted, no others. They never throw into a guest. */
export interface GuestImports {
  readonly config?: () => string;
  readonly log?: (level: LogLevel, message: string) => void;
  /** Interfaces whose functions suspend the guest until the broker answers; none for most guests. */
  readonly waiting: readonly WaitingImport[];
  /** Asks the broker. Resolves always, and never in the turn in which it was called. */
  readonly ask: (capability: WaitingImport, fn: string, args: readonly string[]) => Promise<GuestReply>;
  /** Refuses what need not reach the broker, for whoever puts another interface in front of it. Answers as `ask` does. */
  readonly refuse: (problem: GuestProblem) => Promise<GuestReply>;
}

/** What a guest's reply may be long. */
export const MAX_REPLY_BYTES = 8 * 1024 * 1024;
