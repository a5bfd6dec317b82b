/** The names that packs, grants and the sandbox share: what a plugin may export, import, and answer. */

export const PLUGIN_PACKAGE = 'gtpack:plugin';
export const PLUGIN_VERSION = '0.1.0';

/** The interfaces of WIT package `gtpack:plugin` that a plugin may export. */
export const PLUGIN_EXPORTS = ['ingest', 'tick', 'handle', 'invoke'] as const;
export type PluginExport = (typeof PLUGIN_EXPORTS)[number];

/** The interfaces of WIT package `gtpack:plugin` that a plugin may import. */
export const PLUGIN_IMPORTS = [
  'http',
  'bus',
  'sendgrid',
  'twilio',
  'timers',
  'state',
  'config',
  'log',
  'secrets',
] as const;
export type PluginImport = (typeof PLUGIN_IMPORTS)[number];

/** A guest's own, typed error: the one failure after which its instance may be used again. */
export interface GuestProblem {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
