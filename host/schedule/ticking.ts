import type { Bus } from '../bus/bus.ts';
import { messageOf } from '../capability/publish.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, JobResult } from '../sandbox/protocol.ts';
import type { Clock } from './clock.ts';
import type { DueTick } from './scheduler.ts';

export interface TickingOptions {
  readonly bus: Bus;
  readonly cells: { submit(tenant: TenantId, job: Job): Promise<JobResult> };
  readonly clock: Clock;
  /** The timer provider that turns a tenant's ticks into events. */
  readonly providerOf: (tenant: TenantId, schedule: string) => string | undefined;
  /** A tick that became no event, after its last attempt. */
  readonly onLost: (due: DueTick, reason: string) => void;
}

const MAX_ATTEMPTS = 5;
const FIRST_DELAY_MS = 200;

/** Turns ticks that are due into events on the bus, by way of the tenant's timer provider. */
export class Ticking {
  readonly #options: TickingOptions;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: TickingOptions) {
    this.#options = options;
  }

  fire(ticks: readonly DueTick[]): void {
    for (const due of ticks) {
      const done = this.#fire(due).finally(() => this.#underWay.delete(done));
      this.#underWay.add(done);
    }
  }

  /** Resolves when every tick that was fired is an event, or lost. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #fire(due: DueTick): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#publish(due);
        return;
      } catch (error) {
        const again = error instanceof GtpackError && error.retryable && attempt < MAX_ATTEMPTS;
        if (!again) {
          this.#options.onLost(due, errorMessage(error));
          return;
        }
        await this.#pause(FIRST_DELAY_MS * 2 ** (attempt - 1));
      }
    }
  }

  async #publish({ entry, tick }: DueTick): Promise<void> {
    const { bus, cells, providerOf } = this.#options;
    const provider = providerOf(entry.tenant, entry.schedule);
    if (provider === undefined)
      throw new GtpackError('timer_provider_missing', 'The tenant has no timer provider.');
    const result = await cells.submit(entry.tenant, { kind: 'tick', provider, tick });
    if (result.kind !== 'events') throw refusal(provider, result);
    const [first, ...others] = result.events.map(messageOf);
    if (first === undefined) return;
    // The first event is the tick; the flow's trigger answers that one alone.
    await bus.publish(entry.tenant, [{ ...first, schedule: entry.schedule }, ...others]);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimer(resolve, delayMs);
    });
  }
}

function refusal(provider: string, result: Exclude<JobResult, { kind: 'events' }>): GtpackError {
  if (result.kind === 'problem') {
    const { code, message, retryable } = result.problem;
    return new GtpackError(
      'guest_output_invalid',
      `The provider ${provider} refused the tick: ${code}: ${message}`,
      { retryable },
    );
  }
  return new GtpackError(
    'guest_output_invalid',
    `The provider ${provider} answered the tick with ${result.kind}.`,
  );
}
