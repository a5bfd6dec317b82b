import { loadBundle } from '../../host/bundle/load.ts';
import { openBus } from '../../host/deploy/open-bus.ts';
import type { EventType, TenantId } from '../../host/event/names.ts';
import { eventIds } from '../../host/event/normalize.ts';

const BATCH = 500;
const AT_ONCE = 8;

/** Stores so many small events on the bus of a bundle that no host serves yet. @returns milliseconds */
export async function fillBacklog(
  bundleDir: string,
  tenant: TenantId,
  type: EventType,
  count: number,
): Promise<number> {
  if (count === 0) return 0;
  const startedAt = performance.now();
  const bus = await openBus(await loadBundle(bundleDir));
  try {
    const ids = eventIds();
    let left = count;
    const publish = async (): Promise<void> => {
      while (left > 0) {
        const size = Math.min(BATCH, left);
        left -= size;
        const now = Date.now();
        const messages = Array.from({ length: size }, () => {
          const id = ids.next(now);
          const event = {
            id,
            event_type: type,
            source: 'bench',
            timestamp: now,
            payload: { order: { id: 0 } },
          };
          return { id, type, json: JSON.stringify(event) };
        });
        await bus.publish(tenant, messages);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, publish));
  } finally {
    await bus.close();
  }
  return performance.now() - startedAt;
}
