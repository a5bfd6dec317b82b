import type { Bus } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Effect, EffectAnswer } from '../sandbox/protocol.ts';
import type { Capability } from './capability.ts';
import { PublishCapability } from './publish.ts';

/**
 * Performs what cells ask for, in the main process. It answers every effect, and never with more than a code, a message
 * and whether a later attempt may succeed.
 */
export class Broker {
  readonly #capabilities: Readonly<Record<Effect['capability'], Capability>>;

  constructor(parts: { readonly bus: Bus }) {
    this.#capabilities = {
      'bus.publish': new PublishCapability(parts.bus),
    };
  }

  async perform(tenant: TenantId, effect: Effect): Promise<EffectAnswer> {
    try {
      return await this.#capabilities[effect.capability].perform(tenant, effect);
    } catch (error) {
      return { kind: 'problem', problem: problemOf(error) };
    }
  }
}

function problemOf(error: unknown): Extract<EffectAnswer, { kind: 'problem' }>['problem'] {
  if (error instanceof GtpackError) {
    return { code: error.code, message: error.message, retryable: error.retryable };
  }
  return { code: 'effect_failed', message: 'The effect failed inside the host.', retryable: true };
}
