import type { TenantId } from '../event/names.ts';
import type { Effect, EffectAnswer } from '../sandbox/protocol.ts';

/** What performs the effects of one kind. One file each in this folder; broker.ts lists them all. */
export interface Capability {
  /**
   * Performs an effect and records it in the run's journal before it answers (promise B3).
   * @throws GtpackError for what the guest is told as a problem with that code
   */
  perform(tenant: TenantId, effect: Effect): Promise<EffectAnswer>;
}
