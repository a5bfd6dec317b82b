import type { GuestProblem, LogLevel, PluginExport } from '../contract.ts';

/**
 * What a plugin is to the cell, whichever kind it is. Data crosses as one JSON text a call. An instance serves one
 * call at a time; the pool sees to that and to disposal.
 */

export type GuestReply =
  | { readonly kind: 'ok'; readonly json: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };

/** One instantiated guest. Any throw from `call` means that the instance must be dropped. */
export interface PluginInstance {
  /** `operation` is given for `invoke` only. */
  call(name: PluginExport, input: string, operation?: string): GuestReply | Promise<GuestReply>;
  /** Sum of the actual sizes of its linear memories. */
  memoryBytes(): number;
}

/** A compiled plugin that instances are made from. */
export interface PluginModule {
  readonly kind: 'component' | 'assemblyscript';
  instantiate(imports: GuestImports): Promise<PluginInstance>;
}

/** Host functions a guest is linked with. They return; they never throw into a guest. */
export interface GuestImports {
  /** The provider's `config` of the bundle as JSON text. */
  readonly config?: () => string;
  readonly log?: (level: LogLevel, message: string) => void;
}
