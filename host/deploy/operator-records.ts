import type { Bus } from '../bus/bus.ts';
import type { DeadRun } from '../bus/records.ts';
import type { ChangedFlow, OperatorRecords } from '../control/control.ts';
import type { TenantId } from '../event/names.ts';
import type { Flow } from '../flow/flow.ts';

/** A tenant's flows as they are now: digests by name. */
export type FlowDigests = (tenant: TenantId) => ReadonlyMap<string, string>;

/**
 * What operators see and mend of what is on a bus.
 * @param flowsOf null where the flows are not known: no host runs
 */
export function operatorRecords(
  { deadLetters, runs }: Pick<Bus, 'deadLetters' | 'runs'>,
  flowsOf: FlowDigests | null,
): OperatorRecords {
  return {
    letters: (query) => deadLetters.list(query),
    letter: (letter) => deadLetters.get(letter),
    // Asked for together, so that the bus commits them together.
    replay: (letters, options) =>
      Promise.all(
        letters.map(async (letter) => {
          const replay = await deadLetters.replay(letter, options);
          const known = replay.outcome === 'replayed' ? replay.runs : [];
          const changed = flowsOf === null ? null : changedFlows(known, flowsOf(letter.tenant));
          return { outcome: replay.outcome, changed };
        }),
      ),
    drop: (letters) => Promise.all(letters.map((letter) => deadLetters.drop(letter))),
    runs: (query) => runs.list(query),
    run: (runId) => runs.get(runId),
  };
}

export function flowDigests(flows: readonly Flow[]): ReadonlyMap<string, string> {
  return new Map(flows.map(({ name, digest }) => [name, digest]));
}

/** A digest that was not recorded is taken for the present one: nothing is known against it. */
function changedFlows(runs: readonly DeadRun[], digests: ReadonlyMap<string, string>): ChangedFlow[] {
  return runs.flatMap(({ flow, flowDigest }): ChangedFlow[] => {
    const now = digests.get(flow);
    if (now === undefined) return [{ flow, how: 'removed' }];
    return flowDigest === null || flowDigest === now ? [] : [{ flow, how: 'changed' }];
  });
}
