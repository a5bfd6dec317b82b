import type { Bundle } from '../bundle/bundle.ts';
import type { DurableBus } from '../bus/bus.ts';
import { openEmbeddedBus } from '../bus/embedded/embedded.ts';

/** Opens the bus that a bundle names. @throws GtpackError as that bus does */
export function openBus({ bus, dedupeWindowMs }: Bundle): Promise<DurableBus> {
  return openEmbeddedBus({
    file: bus.file,
    dedupeWindowMs,
    retentionMs: bus.retentionMs,
    maxFileBytes: bus.maxBytes,
  });
}
