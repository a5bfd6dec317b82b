import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Grants } from '../grant/grants.ts';
import type { Effect, EffectAnswer } from '../sandbox/protocol.ts';
import type { Capability } from './capability.ts';

export interface BrokerOptions {
  /** Every capability that this host offers. */
  readonly capabilities: readonly Capability[];
  /** What the bundle grants; the empty value for what it does not name. */
  readonly grantsOf: (tenant: TenantId, source: string) => Grants;
}

/**
 * Performs what cells ask for, in the main process. It answers every effect, and never with more than a code, a message
 * and whether a later attempt may succeed.
 */
export class Broker {
  readonly #capabilities: ReadonlyMap<string, Capability>;
  readonly #grantsOf: BrokerOptions['grantsOf'];

  constructor({ capabilities, grantsOf }: BrokerOptions) {
    this.#capabilities = new Map(capabilities.map((capability) => [capability.name, capability]));
    this.#grantsOf = grantsOf;
  }

  async perform(tenant: TenantId, effect: Effect, signal: AbortSignal): Promise<EffectAnswer> {
    const { capability: name, fn, args, source, events, run } = effect;
    try {
      const capability = this.#capabilities.get(name);
      if (capability === undefined) {
        throw new GtpackError('capability_denied', 'This host does not offer what was asked for.');
      }
      const journal = run === null ? [] : run.journal.map((entry) => ({ runId: run.runId, ...entry }));
      const grants = this.#grantsOf(tenant, source);
      const answer = await capability.perform({ tenant, source, grants, fn, args, events, journal, signal });
      return answer.kind === 'ok' ? { kind: 'ok', output: answer.json } : answer;
    } catch (error) {
      return { kind: 'problem', problem: problemOf(error) };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#capabilities.values()].map((capability) => capability.close()));
  }
}

function problemOf(error: unknown): Extract<EffectAnswer, { kind: 'problem' }>['problem'] {
  if (error instanceof GtpackError) {
    return { code: error.code, message: error.message, retryable: error.retryable };
  }
  return { code: 'effect_failed', message: 'The effect failed inside the host.', retryable: true };
}
