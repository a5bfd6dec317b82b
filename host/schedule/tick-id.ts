import { hash } from 'node:crypto';
import type { TenantId } from '../event/names.ts';

/**
 * The event id of a tick (S2): 128 bits of SHA-256 over tenant, schedule and instant.
 * @param scheduledAt milliseconds since the Unix epoch
 */
export function tickId(tenant: TenantId, schedule: string, scheduledAt: number): string {
  // A tenant holds no line feed and an instant is digits, so no two triples make one text.
  return `tick-${hash('sha256', `${tenant}\n${scheduledAt}\n${schedule}`, 'hex').slice(0, 32)}`;
}
