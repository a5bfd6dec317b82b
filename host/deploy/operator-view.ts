import type { ListenAddress } from '../bundle/listen-address.ts';
import type { DurableBus } from '../bus/bus.ts';
import type { Metrics } from '../observe/metrics.ts';
import { type OperatorPort, openOperatorPort } from '../observe/operator-port.ts';
import type { Sandbox } from '../sandbox/sandbox.ts';
import { Drain } from './drain.ts';

export interface OperatorViewParts {
  readonly bus: Pick<DurableBus, 'counts' | 'runs'>;
  readonly sandbox: Pick<Sandbox, 'counts' | 'usage' | 'quarantine'>;
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
}

/** A probe gets its answer within this. */
const READY_WITHIN_MS = 2000;

/**
 * A host as its operator's tools see it.
 * @throws GtpackError `listen_failed`
 */
export function openOperatorView(
  address: ListenAddress,
  { bus, sandbox, metrics, isStopping }: OperatorViewParts,
): Promise<OperatorPort> {
  return openOperatorPort({
    ...address,
    notReady: async () => {
      if (isStopping()) return 'The host is stopping.';
      // Through the store and back: a bus that has stopped or is away refuses, or says nothing.
      const within = new Drain(READY_WITHIN_MS, () => performance.now());
      return (await within.wait(bus.runs.list({ limit: 1 }))) ? null : 'The bus does not answer.';
    },
    metrics: async () => {
      const { cells, hosts } = sandbox.counts();
      return metrics.text({
        now: Date.now(),
        tenants: await bus.counts(),
        memory: sandbox.usage(),
        cells,
        cellHosts: hosts,
        quarantined: sandbox.quarantine.list().length,
      });
    },
  });
}
