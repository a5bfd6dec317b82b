import { type Grants, NO_GRANTS } from '../grant/grants.ts';
import type { ProviderKind } from '../pack/pack.ts';

/** What a flow may reach where it runs: known before it is loaded, so that what it lacks is found then (F1). */
export interface FlowReach {
  readonly grants: Grants;
  /** Whose grants they are, for messages: `the tenant acme`, `the provider orders`. */
  readonly grantee: string;
  /** The tenant's providers by their ids in the bundle. */
  readonly providers: ReadonlyMap<string, ReachableProvider>;
  /** Of a flow that a pack brings: what the bundle calls the pack's providers, by their ids in the pack. */
  readonly own?: ReadonlyMap<string, string>;
}

export interface ReachableProvider {
  /** Undefined where it is not known. */
  readonly kind?: ProviderKind;
  /** Whether its operations can be called at all. */
  readonly invokes: boolean;
  /** Null where nothing lists them before it is asked: a component of another host may know more than its pack says. */
  readonly operations: readonly string[] | null;
}

/** Nothing: what a flow may reach that no bundle runs. */
export const NO_REACH: FlowReach = { grants: NO_GRANTS, grantee: 'the tenant', providers: new Map() };
