import type { Bundle } from './bundle/bundle.ts';
import type { EffectRecord } from './capability/broker.ts';
import type { GuestProblem, LogLevel } from './contract.ts';
import type { ControlHost } from './control/control.ts';
import type { GtpackError, Problem } from './errors.ts';
import type { Json } from './event/json.ts';
import type { EnvName, TenantId } from './event/names.ts';
import type { Grants } from './grant/grants.ts';
import type { ProviderKind } from './pack/pack.ts';

/** What the command line and the host say to each other. */

/** A host that takes requests. */
export interface RunningHost {
  /** Where senders on this machine reach it, without a slash at the end. */
  readonly url: string;
  readonly control: ControlHost;
  /** Resolves, with the reason, when the host can do nothing more: to be stopped, and started again by whoever watches it. */
  readonly lost: Promise<GtpackError>;
  describe(): HostDescription;
  /** B7: takes nothing new, lets running work finish for at most `graceMs`, hands the rest back. Rejects never. */
  stop(graceMs: number): Promise<void>;
}

export interface HostDescription {
  readonly env: EnvName;
  readonly tenants: readonly TenantDescription[];
}

export interface TenantDescription {
  readonly id: TenantId;
  readonly providers: readonly ProviderDescription[];
  /** Whether its cell host holds other tenants, too. */
  readonly isolation: 'shared' | 'process';
  /** Whole URLs, as senders see them; `{event_type}` and `{handler}` stand for what the sender fills in. */
  readonly webhookUrls: readonly string[];
  /** Names of the tenant's flows. */
  readonly flows: readonly string[];
  readonly timers: readonly TimerDescription[];
}

export interface ProviderDescription {
  readonly id: string;
  readonly kind: ProviderKind;
  /** Names of the schemes of which its senders' requests need one. */
  readonly signatures: readonly string[];
}

export interface TimerDescription {
  readonly schedule: string;
  /** For people: `0 9 * * * Europe/Berlin`, `every 300 s`. */
  readonly plan: string;
  /** Milliseconds since the Unix epoch; null for a plan that never comes. */
  readonly next: number | null;
}

/** A line for the operator. */
export interface HostLogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly tenant?: string;
  /** One of the two: whose code it is about. */
  readonly provider?: string;
  readonly flow?: string;
  /** `id@version` of the pack that it came with. */
  readonly pack?: string;
  readonly node?: string;
  readonly run?: string;
  /** A trace id. */
  readonly trace?: string;
}

export type HostLog = (line: HostLogLine) => void;

export interface StartOptions {
  readonly log: HostLog;
  /** Tells hosts of one env apart on a bus that they share; default: the machine's name and something random. */
  readonly instance?: string;
}

/** @throws GtpackError with every problem of the bundle, its packs and flows; or `listen_failed`, `bus_locked` */
export type StartHost = (bundle: Bundle, options: StartOptions) => Promise<RunningHost>;

/** Every problem of the bundle, its packs and flows, without starting anything. */
export type CheckBundle = (bundle: Bundle) => Promise<BundleCheck>;

export interface BundleCheck {
  readonly problems: readonly Problem[];
  readonly packs: number;
  /** Tenants whose cell hosts hold no other tenant. */
  readonly isolated: readonly TenantId[];
  readonly flows: number;
  /** What an operator should know of a bundle that is sound, one sentence each. */
  readonly warnings: readonly string[];
  /** What is as the bundle says it, and may be not what its operator thinks: one sentence each. */
  readonly notes: readonly string[];
}

export interface CallOptions {
  readonly log: HostLog;
  /** Which of the pack's providers; needed when it has several. */
  readonly provider: string | undefined;
  readonly grants: Grants;
  /** By name: for the provider's own code as far as the grants say so, and for credentials. */
  readonly secrets: ReadonlyMap<string, string>;
  /** What the provider finds in its store: JSON texts by key. */
  readonly state: ReadonlyMap<string, string>;
  readonly config: Json;
  /** Answers every granted request with 200 and `{"ok":true}` in place of the network. */
  readonly stubHttp: boolean;
}

/** Something that a call asked of the host. */
export type CalledEffect = Pick<
  EffectRecord,
  'capability' | 'fn' | 'target' | 'decision' | 'code' | 'durationMs'
>;

export interface CallReport {
  readonly answer: CallAnswer;
  /** In the order in which they were done. */
  readonly effects: readonly CalledEffect[];
  readonly durationMs: number;
  /** What the provider's memories hold after the call. */
  readonly memoryBytes: number;
  /** What is in the provider's store after the call. */
  readonly state: ReadonlyMap<string, string>;
}

export type CallAnswer =
  /** JSON text. */
  | { readonly kind: 'output'; readonly output: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };

/**
 * Calls a provider of a pack, or a bare WebAssembly, once, in a cell of its own. `ingest` and `tick` are the exports of
 * that name; every other operation goes to `invoke`.
 * @param input JSON text
 * @throws GtpackError for a pack that can't be read, and for what the host says of the call
 */
export type CallPlugin = (
  file: string,
  operation: string,
  input: string,
  options: CallOptions,
) => Promise<CallReport>;
