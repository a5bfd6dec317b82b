import type { GuestProblem } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { Event } from '../event/event.ts';
import type { CellLimits, EffectAnswer, EffectRun, RunJournal, RunOrder } from '../sandbox/protocol.ts';
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
  readonly order: RunOrder;
  readonly event: RunEvent;
  readonly host: Pick<FlowHost, 'effect' | 'call' | 'record'>;
  readonly limits: Pick<CellLimits, 'maxEffectsPerRun' | 'effectCallWallMs'>;
}

/** What a run does outside of itself: counted over all of its deliveries, and bounded in time one by one. */
export class RunEffects {
  readonly #order: RunOrder;
  readonly #cause: Event;
  readonly #host: EffectParts['host'];
  readonly #limits: EffectParts['limits'];
  #count = 0;

  constructor({ order, event, host, limits }: EffectParts) {
    this.#order = order;
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
   * @param key of the step: the same on every delivery of the run
   * @returns the answer, JSON text
   * @throws EffectProblem as the broker or the provider answers; GtpackError `flow_too_many_effects`, `flow_effect_timeout`,
   *   and what a provider did wrong
   */
  async ask(ask: BrokerAsk | ProviderAsk, run: EffectRun, key: string): Promise<string> {
    switch (ask.kind) {
      case 'broker': {
        const { capability, fn, args, events } = ask;
        const over = this.#spend();
        if (over !== undefined) throw over;
        const source = `flow:${this.#order.flow}`;
        return this.#within(() => this.#host.effect({ capability, fn, args, source, run, events }));
      }
      case 'provider': {
        const { provider, operation, input } = ask;
        return this.#within((isLate) =>
          this.#host.call({
            provider,
            operation,
            input,
            run,
            key,
            cause: this.#cause,
            // A provider that outlives the wall may go on, but nothing that it does counts for this run any more.
            spend: () => (isLate() ? this.#late() : this.#spend()),
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
  #spend(): GtpackError | undefined {
    if (this.#count < this.#limits.maxEffectsPerRun) {
      this.#count += 1;
      return undefined;
    }
    return new GtpackError(
      'flow_too_many_effects',
      `The run has had ${this.#count} effects, which is the most that is allowed.`,
      { cure: 'Divide the work among several events.' },
    );
  }

  #late(): GtpackError {
    return new GtpackError(
      'flow_effect_timeout',
      `The node has waited for ${this.#limits.effectCallWallMs} ms, which is the most that is allowed.`,
    );
  }

  async #within(work: (isLate: () => boolean) => Promise<EffectAnswer>): Promise<string> {
    const wall = Promise.withResolvers<never>();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      wall.reject(this.#late());
    }, this.#limits.effectCallWallMs);
    try {
      return answered(await Promise.race([work(() => late), wall.promise]));
    } finally {
      clearTimeout(timer);
    }
  }
}

function answered(answer: EffectAnswer): string {
  if (answer.kind === 'problem') throw new EffectProblem(answer.problem);
  return answer.output;
}
