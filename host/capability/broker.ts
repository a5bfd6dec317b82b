import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import { readTraceparent, type TraceParent } from '../event/trace.ts';
import type { Grants } from '../grant/grants.ts';
import type { Effect, EffectAnswer } from '../sandbox/protocol.ts';
import type { Capability } from './capability.ts';

export interface BrokerOptions {
  /** Every capability that this host offers. */
  readonly capabilities: readonly Capability[];
  /** What the bundle grants; the empty value for what it does not name. */
  readonly grantsOf: (tenant: TenantId, source: string) => Grants;
  /** Hears of what was denied, with the grant that would allow it: that is for the operator, not for the guest. */
  readonly onDenied: (tenant: TenantId, source: string, message: string, place: EffectPlace) => void;
  /** Hears of every effect once it is done, denied or failed. */
  readonly onPerformed: (record: EffectRecord) => void;
  /** Milliseconds, of a clock that only goes forward. */
  readonly monotonicMs: () => number;
}

/** What an effect belongs to, each as far as it is known. */
export interface EffectPlace {
  readonly runId: string | null;
  readonly node: string | null;
  /** Trace id and span id. */
  readonly trace: TraceParent | null;
}

/** What the audit log says of an effect. */
export interface EffectRecord extends EffectPlace {
  readonly tenant: TenantId;
  /** The bundle's provider, or `flow:<name>`. */
  readonly source: string;
  readonly capability: string;
  readonly fn: string;
  /** What it reaches, as far as it came; empty where it was refused before that was known. */
  readonly target: string;
  readonly decision: 'done' | 'denied' | 'failed';
  /** Why it was denied or failed, as in host/errors.ts. */
  readonly code: string | null;
  readonly durationMs: number;
}

const DENIED = 'capability_denied';
/** Of a problem, as sdk/wit has it. */
const MAX_MESSAGE_CHARACTERS = 2048;

/**
 * Performs what cells ask for, in the main process. It answers every effect, and never with more than a code, a message
 * and whether a later attempt may succeed.
 */
export class Broker {
  readonly #capabilities: ReadonlyMap<string, Capability>;
  readonly #options: BrokerOptions;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#capabilities = new Map(options.capabilities.map((capability) => [capability.name, capability]));
  }

  async perform(tenant: TenantId, effect: Effect, signal: AbortSignal): Promise<EffectAnswer> {
    const { capability, fn, source } = effect;
    const { onPerformed, monotonicMs } = this.#options;
    const startedAt = monotonicMs();
    let target = '';
    const answer = await this.#answer(tenant, effect, signal, (reached) => {
      target = reached;
    });
    const code = answer.kind === 'ok' ? null : answer.problem.code;
    onPerformed({
      tenant,
      source,
      ...placeOf(effect),
      capability,
      fn,
      target,
      decision: code === null ? 'done' : code === DENIED ? 'denied' : 'failed',
      code,
      durationMs: monotonicMs() - startedAt,
    });
    return answer;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#capabilities.values()].map((capability) => capability.close()));
  }

  async #answer(
    tenant: TenantId,
    effect: Effect,
    signal: AbortSignal,
    reaches: (target: string) => void,
  ): Promise<EffectAnswer> {
    const { capability: name, fn, args, source, events, run, key, trace } = effect;
    try {
      const capability = this.#capabilities.get(name);
      if (capability === undefined) {
        throw new GtpackError(DENIED, 'This host does not offer what was asked for.');
      }
      // By name: a cell's entry that named a run of its own would be written into that one.
      const journal =
        run === null ? [] : run.journal.map(({ ordinal, entry }) => ({ runId: run.runId, ordinal, entry }));
      const grants = this.#options.grantsOf(tenant, source);
      const call = { tenant, source, grants, fn, args, events, journal, key, trace, signal, reaches };
      const answer = await capability.perform(call);
      return answer.kind === 'ok' ? { kind: 'ok', output: answer.json } : answer;
    } catch (error) {
      if (error instanceof GtpackError && error.code === DENIED) {
        this.#options.onDenied(tenant, source, error.message, placeOf(effect));
      }
      return { kind: 'problem', problem: problemOf(error) };
    }
  }
}

function placeOf({ run, trace }: Effect): EffectPlace {
  return { runId: run?.runId ?? null, node: run?.node ?? null, trace: readTraceparent(trace) ?? null };
}

function problemOf(error: unknown): Extract<EffectAnswer, { kind: 'problem' }>['problem'] {
  if (error instanceof GtpackError) {
    const [{ message }] = error.problems;
    return {
      code: error.code,
      message: message.slice(0, MAX_MESSAGE_CHARACTERS),
      retryable: error.retryable,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(error.retryAfterMs) }),
    };
  }
  return { code: 'effect_failed', message: 'The effect failed inside the host.', retryable: true };
}
