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

/** The functions of sdk/wit that leave the cell: the guest is suspended until the broker answers. */
export const WAITING_FUNCTIONS = {
  http: ['send'],
  bus: ['publish'],
  sendgrid: ['send'],
  twilio: ['send'],
  timers: ['set', 'clear', 'list'],
  state: ['get', 'set', 'delete'],
  secrets: ['get'],
} as const satisfies Partial<Record<PluginImport, readonly string[]>>;
export type WaitingImport = keyof typeof WAITING_FUNCTIONS;

export function isWaitingImport(name: PluginImport): name is WaitingImport {
  return Object.hasOwn(WAITING_FUNCTIONS, name);
}

/** A guest's own, typed error: the one failure after which its instance may be used again. */
export interface GuestProblem {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  /** When trying again makes sense, where a vendor said so. For the host: no guest is told. */
  readonly retryAfterMs?: number;
}

/** A JSON Schema of a pack, by its path there. */
export interface SchemaText {
  readonly path: string;
  readonly text: string;
}

/** What a provider's config, and the inputs and outputs of its operations, have to match. */
export interface ProviderSchemas {
  readonly config: SchemaText | undefined;
  readonly operations: readonly {
    readonly name: string;
    readonly input: SchemaText | undefined;
    readonly output: SchemaText | undefined;
  }[];
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * What an answer may not set: the hop-by-hop fields (RFC 9110, section 7.6.1) and the length are the server's, and a
 * cookie would be shared by all tenants of this address.
 */
export const HOST_ANSWER_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'gtpack-event-id',
]);

/** The most that any grant allows of one value of a provider's state, as UTF-8; what a cell still looks through. */
export const MAX_STATE_VALUE_BYTES = 1024 * 1024;

/** Of the event that a timer emits, as UTF-8: a timer is kept for long, and a provider may have a hundred thousand. */
export const MAX_TIMER_EVENT_BYTES = 32 * 1024;

/** Of a provider's timers that one answer lists. */
export const MAX_LISTED_TIMERS = 100;

/** The shortest repetition of a timer that any grant allows. */
export const MIN_TIMER_INTERVAL_MS = 1000;
