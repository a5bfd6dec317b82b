import type { Owner } from '../bus/owner.ts';
import type { StateQuota, StateStore } from '../bus/state.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import { callsOf } from './call.ts';
import { type Flow, MAX_WAIT_MS } from './flow.ts';

/** A flow and its digest. */
export type FlowVersion = readonly [flow: string, digest: string];

export interface KeptFlow {
  readonly name: string;
  readonly digest: string;
  /** The cell has it already. */
  readonly isCurrent: boolean;
  /** The flow as JSON text. */
  json(): string;
}

/** Whose values they are. No provider has such a name. */
const FLOWS = 'host:flows';
/** After a run was parked for the longest time that there is, its dead letter may still be replayed for so long. */
const GRACE_MS = MAX_WAIT_MS;
const KEPT_MS = 2 * MAX_WAIT_MS + GRACE_MS;
/** Of one tenant. A flow that finds no room is not kept: its parked runs end where it is another one by then. */
const QUOTA: StateQuota = { maxKeys: 10_000, maxBytes: 256 * 1024 * 1024, maxValueBytes: 512 * 1024 };
const MAX_KNOWN = 100_000;

export interface FlowVersionsOptions {
  readonly state: Pick<StateStore, 'get' | 'set'>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
}

/**
 * The versions of flows that parked runs go on through, by their digests: kept until the last run that may be parked with
 * them has ended, and some time more.
 */
export class FlowVersions {
  readonly #options: FlowVersionsOptions;
  /** Until when what was stored here is kept. */
  readonly #kept = new Map<string, number>();

  constructor(options: FlowVersionsOptions) {
    this.#options = options;
  }

  /** Keeps flows for runs that are about to be parked. @throws GtpackError `bus_unavailable`, `bus_disk_full` */
  async keep(tenant: TenantId, flows: readonly KeptFlow[]): Promise<void> {
    const { state, now } = this.#options;
    for (const { digest, json } of flows) {
      const key = `${tenant}/${digest}`;
      if ((this.#kept.get(key) ?? 0) >= now() + MAX_WAIT_MS + GRACE_MS) continue;
      await state.set(ownerOf(tenant), digest, json(), QUOTA, { ttlMs: KEPT_MS });
      if (this.#kept.size >= MAX_KNOWN) this.#kept.clear();
      this.#kept.set(key, now() + KEPT_MS);
    }
  }

  /** @throws GtpackError `bus_unavailable`; `flow_changed` where one is another by now and not kept */
  async load(
    tenant: TenantId,
    versions: readonly FlowVersion[],
    current: ReadonlyMap<string, Flow>,
  ): Promise<readonly KeptFlow[]> {
    return Promise.all(
      versions.map(async ([name, digest]) => {
        const flow = current.get(name);
        if (flow?.digest === digest) return currentFlow(flow);
        const kept = await this.#options.state.get(ownerOf(tenant), digest);
        if (kept !== null) return { name, digest, isCurrent: false, json: () => kept.json };
        throw new GtpackError(
          'flow_changed',
          `The flow ${name} is another one by now, and is not kept as it was when its run was parked.`,
          { cure: 'Replay the event that the run began with: it then runs through the flow as it is now.' },
        );
      }),
    );
  }
}

export function currentFlow(flow: Flow): KeptFlow {
  const { name, digest } = flow;
  return { name, digest, isCurrent: true, json: () => JSON.stringify(flow) };
}

function ownerOf(tenant: TenantId): Owner {
  return { tenant, source: FLOWS };
}

/** A flow and all that it waits for, each once. */
export function waitedFlows(name: string, flows: ReadonlyMap<string, Flow>): Flow[] {
  const found = new Set<Flow>();
  const add = (called: string): void => {
    const flow = flows.get(called);
    if (flow !== undefined) found.add(flow);
  };
  add(name);
  for (const flow of found)
    for (const { call, isWaited } of flow.nodes.flatMap(callsOf)) if (isWaited) add(call.flow);
  return [...found];
}
