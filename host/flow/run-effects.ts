import type { GuestProblem } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { Event } from '../event/event.ts';
import { spanId, traceparent } from '../event/trace.ts';
import type { CellLimits, EffectAnswer, EffectRun, RunJournal } from '../sandbox/protocol.ts';
import type { FlowHost } from './flow-host.ts';
import type { BrokerAsk, ProviderAsk } from './node/node.ts';
import type { RunEvent } from './scope.ts';

/** The answer to an effect that was not done. */
export class EffectProblem extends Error {
  readonly problem: GuestProblem;

  constructor(problem: GuestProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

export interface EffectParts {
  readonly event: RunEvent;
  readonly host: Pick<FlowHost, 'effect' | 'call' | 'record' | 'now' | 'after'>;
  readonly limits: Pick<CellLimits, 'maxEffectsPerRun' | 'effectCallWallMs'>;
}

/** When a node has to be done, and whose `timeout` says so. */
export interface Wall {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly ms: number;
  readonly node: string;
}

export function nodeTimeout({ node, ms }: Wall): GtpackError {
  return new GtpackError(
    'flow_node_timeout',
    `The node ${node} has taken longer than its timeout of ${ms} ms.`,
  );
}

/** On whose behalf an effect is asked for. */
export interface EffectStep {
  /** Of the step: the same on every delivery of the run. */
  readonly key: string;
  /** The flow of the node. */
  readonly source: string;
  readonly wall: Wall | undefined;
  /** Hears of each effect, those of a provider that it calls, too. */
  readonly onSpent: () => void;
}

/** What a run does outside of itself: counted over all of its deliveries, and bounded in time one by one. */
export class RunEffects {
  readonly #cause: Event;
  readonly #host: EffectParts['host'];
  readonly #limits: EffectParts['limits'];
  #count = 0;

  constructor({ event, host, limits }: EffectParts) {
    this.#cause = event.head;
    this.#host = host;
    this.#limits = limits;
  }

  /** Effects so far, those of earlier deliveries included. */
  get count(): number {
    return this.#count;
  }

  /** Counts what an earlier delivery did. */
  resume(effects: number): void {
    this.#count += effects;
  }

  /**
   * @returns the answer, JSON text
   * @throws EffectProblem as the broker or the provider answers; GtpackError `flow_too_many_effects`, `flow_effect_timeout`,
   *   `flow_node_timeout`, and what a provider did wrong
   */
  async ask(ask: BrokerAsk | ProviderAsk, run: EffectRun, step: EffectStep): Promise<string> {
    switch (ask.kind) {
      case 'broker': {
        const { capability, fn, args, events } = ask;
        const over = this.#spend(step);
        if (over !== undefined) throw over;
        const source = `flow:${step.source}`;
        const trace = traceparent(this.#cause.metadata?.trace_id, spanId('effect', step.key));
        return this.#within(step.wall, () =>
          this.#host.effect({
            ...{ capability, fn, args, source, run, events, key: step.key },
            ...(trace === undefined ? {} : { trace }),
          }),
        );
      }
      case 'provider': {
        const { provider, operation, input } = ask;
        return this.#within(step.wall, (late, wallMs) =>
          this.#host.call({
            provider,
            operation,
            input,
            run,
            key: step.key,
            cause: this.#cause,
            wallMs,
            // A provider that outlives the wall may go on, but nothing that it does counts for this run any more.
            spend: () => late() ?? this.#spend(step),
          }),
        );
      }
    }
  }

  /** @throws EffectProblem where it was not stored */
  async record(journal: RunJournal): Promise<void> {
    answered(await this.#host.record(journal));
  }

  /** Counts one effect. @returns why there may be no more */
  #spend({ onSpent }: EffectStep): GtpackError | undefined {
    if (this.#count < this.#limits.maxEffectsPerRun) {
      this.#count += 1;
      onSpent();
      return undefined;
    }
    return new GtpackError(
      'flow_too_many_effects',
      `The run has had ${this.#count} effects, which is the most that is allowed.`,
      { cure: 'Divide the work among several events.' },
    );
  }

  /** @param work gets what to refuse further effects with once it is too late, and its time in milliseconds */
  async #within(
    wall: Wall | undefined,
    work: (late: () => GtpackError | undefined, wallMs: number) => Promise<EffectAnswer>,
  ): Promise<string> {
    const { effectCallWallMs } = this.#limits;
    const left = wall === undefined ? effectCallWallMs : wall.at - this.#host.now();
    // Made once it is needed: an error notes its stack, which costs more than all else here.
    const over = (): GtpackError =>
      wall === undefined || effectCallWallMs < left ? effectTimeout(effectCallWallMs) : nodeTimeout(wall);
    const wallMs = Math.max(1, Math.min(left, effectCallWallMs));
    const passed = Promise.withResolvers<never>();
    let late: GtpackError | undefined;
    const cancel = this.#host.after(wallMs, () => {
      late = over();
      passed.reject(late);
    });
    try {
      return answered(await Promise.race([work(() => late, wallMs), passed.promise]));
    } finally {
      cancel();
    }
  }
}

function effectTimeout(wallMs: number): GtpackError {
  return new GtpackError(
    'flow_effect_timeout',
    `The node has waited for ${wallMs} ms, which is the most that is allowed.`,
  );
}

function answered(answer: EffectAnswer): string {
  if (answer.kind === 'problem') throw new EffectProblem(answer.problem);
  return answer.output;
}
