import type { TenantId } from '../../event/names.ts';
import type { Secret } from '../../grant/secret.ts';
import type { HttpCapability } from '../http.ts';

export interface VendorCapabilityOptions {
  /** What everything goes out by: one client, with its limits and checks. */
  readonly http: HttpCapability;
  readonly secretOf: (tenant: TenantId, name: string) => Secret;
  /** Milliseconds since the Unix epoch. Default: the system's clock. */
  readonly now?: () => number;
  /** Milliseconds, of a clock that only goes forward. Default: the system's. */
  readonly monotonicMs?: () => number;
}
