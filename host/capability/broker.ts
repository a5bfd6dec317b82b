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
  /** Hears of what was denied, with the grant that would allow it: that is for the operator, not for the guest. */
  readonly onDenied: (tenant: TenantId, source: string, message: string) => void;
}

/**
 * Performs what cells ask for, in the main process. It answers every effect, and never with more than a code, a message
 * and whether a later attempt may succeed.
 */
export class Broker {
  readonly #capabilities: ReadonlyMap<string, Capability>;
  readonly #grantsOf: BrokerOptions['grantsOf'];
  readonly #onDenied: BrokerOptions['onDenied'];

  constructor({ capabilities, grantsOf, onDenied }: BrokerOptions) {
    this.#onDenied = onDenied;
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
      if (error instanceof GtpackError && error.code === 'capability_denied') {
        this.#onDenied(tenant, source, error.message);
      }
      return { kind: 'problem', problem: problemOf(error) };
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#capabilities.values()].map((capability) => capability.close()));
  }
}

function problemOf(error: unknown): Extract<EffectAnswer, { kind: 'problem' }>['problem'] {
  if (error instanceof GtpackError) {
    const [{ message }] = error.problems;
    return { code: error.code, message, retryable: error.retryable };
  }
  return { code: 'effect_failed', message: 'The effect failed inside the host.', retryable: true };
}
