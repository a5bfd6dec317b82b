import type { JournalEntry } from '../bus/bus.ts';
import type { GuestProblem, WaitingImport } from '../contract.ts';
import type { TenantId } from '../event/names.ts';
import type { Grants } from '../grant/grants.ts';
import type { NormalizedEvent } from '../sandbox/protocol.ts';

/** One call of a host function that leaves the cell. */
export interface CapabilityCall {
  readonly tenant: TenantId;
  /** The bundle's provider, or `flow:<name>` for a node of a flow. */
  readonly source: string;
  readonly grants: Grants;
  /** As in sdk/wit: `send`, `publish`, `get`, … */
  readonly fn: string;
  /** JSON texts or plain texts, as sdk/wit says of each function; bounded in length by the cell, not parsed. */
  readonly args: readonly string[];
  /** For `bus.publish`: the drafts as the cell normalized them. */
  readonly events: readonly NormalizedEvent[];
  /** Entries of the run's journal that are to be stored with the effect (promise B3); none outside of a run. */
  readonly journal: readonly JournalEntry[];
  /** Of an effect of a run: the same whenever the run asks for it again. Absent outside of a run. */
  readonly key?: string | undefined;
  /** Its span, as a `traceparent`; a cell says so. Absent where it belongs to no trace. */
  readonly trace?: string | undefined;
  /** Aborts when the cell is gone. */
  readonly signal: AbortSignal;
  /** Names what the call reaches, for the audit log: an origin, an event type, a key; never a body, a query or a secret. */
  readonly reaches: (target: string) => void;
}

export type CapabilityAnswer =
  /** JSON text. */
  | { readonly kind: 'ok'; readonly json: string }
  | { readonly kind: 'problem'; readonly problem: GuestProblem };

/** What performs the calls of one interface of sdk/wit. One file each in this folder; broker.ts lists them all. */
export interface Capability {
  readonly name: WaitingImport;
  /**
   * @throws GtpackError for what the guest is told as a problem with that code; `capability_denied` for what no grant
   *   allows, with the grant line that would allow it as its cure
   */
  perform(call: CapabilityCall): Promise<CapabilityAnswer>;
  /** Ends what is open; nothing is performed after it. */
  close(): Promise<void>;
}
