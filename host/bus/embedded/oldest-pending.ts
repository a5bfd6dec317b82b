import type { TenantId } from '../../event/names.ts';
import { request } from './request.ts';
import type { StoreConnection } from './store-connection.ts';

/** Whoever asks does so every few seconds; past so many the others go without. */
const MAX_TENANTS = 1000;
/** Two looks into an index each: a commit waits for no more of them than this. */
const TENANTS_A_STEP = 100;

/** When each tenant's oldest event that is not settled was stored. @throws GtpackError `bus_unavailable` */
export async function oldestPending(
  store: StoreConnection,
  queues: Iterable<{ readonly tenant: TenantId; readonly pending: number }>,
): Promise<ReadonlyMap<TenantId, number>> {
  const waiting: TenantId[] = [];
  for (const { tenant, pending } of queues) {
    if (waiting.length === MAX_TENANTS) break;
    if (pending > 0) waiting.push(tenant);
  }
  const oldest = new Map<TenantId, number>();
  for (let at = 0; at < waiting.length; at += TENANTS_A_STEP) {
    const tenants = waiting.slice(at, at + TENANTS_A_STEP);
    const found = await request(store, { kind: 'oldest', tenants }, 0);
    for (const [index, storedAt] of found.entries()) {
      const tenant = tenants[index];
      if (tenant !== undefined && storedAt !== null) oldest.set(tenant, storedAt);
    }
  }
  return oldest;
}
