import type { TenantId } from '../event/names.ts';

/** Whose state or timers: one provider of one tenant. No two of them see anything of each other. */
export interface Owner {
  readonly tenant: TenantId;
  /** The bundle's provider. */
  readonly source: string;
}
