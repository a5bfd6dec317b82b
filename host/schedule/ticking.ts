import type { EventMessage } from '../bus/bus.ts';
import type { ScheduleStore, TickOutcome } from '../bus/schedules.ts';
import { messageOf } from '../capability/publish.ts';
import { ERROR_CODES, type ErrorCode, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, JobResult, Tick } from '../sandbox/protocol.ts';
import type { DueTick, ScheduleEntry, TickActions } from './slot.ts';

export interface TickingOptions extends Pick<TickActions, 'onSkipped' | 'onLost' | 'onDelayed'> {
  readonly store: Pick<ScheduleStore, 'tick'>;
  readonly cells: { submit(tenant: TenantId, job: Job): Promise<JobResult> };
}

/** Turns a tick that is due into events on the bus, by way of the tenant's timer provider. */
export class Ticking implements TickActions {
  readonly onSkipped: TickActions['onSkipped'];
  readonly onLost: TickActions['onLost'];
  readonly onDelayed: TickActions['onDelayed'];
  readonly #store: TickingOptions['store'];
  readonly #cells: TickingOptions['cells'];

  constructor({ store, cells, onSkipped, onLost, onDelayed }: TickingOptions) {
    this.#store = store;
    this.#cells = cells;
    this.onSkipped = onSkipped;
    this.onLost = onLost;
    this.onDelayed = onDelayed;
  }

  async fire({ entry, tick }: DueTick): Promise<TickOutcome> {
    const { tenant, schedule, provider } = entry;
    const result = await this.#cells.submit(tenant, { kind: 'tick', provider, tick });
    if (result.kind !== 'events') throw refusal(provider, result);
    const [first, ...others] = result.events.map(messageOf);
    // The first event is the tick; the flow's trigger answers that one alone.
    const messages: EventMessage[] = first === undefined ? [] : [{ ...first, schedule }, ...others];
    return await this.#store.tick({ tenant, schedule, at: tick.scheduledAt }, messages);
  }

  async pass({ tenant, schedule }: ScheduleEntry, instant: number): Promise<void> {
    await this.#store.tick({ tenant, schedule, at: instant }, []);
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
  if (result.kind === 'error' && Object.hasOwn(ERROR_CODES, result.code)) {
    const { code, message } = result;
    return new GtpackError(
      code as ErrorCode,
      `The provider ${provider} failed on the tick: ${code}: ${message}`,
    );
  }
  return new GtpackError(
    'guest_output_invalid',
    `The provider ${provider} answered the tick with ${result.kind}.`,
  );
}

/** Lines for the operator. */
export function skippedNotice(entry: ScheduleEntry, tick: Tick): string {
  return `${tickText(entry, tick)} was skipped: the one before it is not worked off (overlap: skip).`;
}

export function lostNotice(entry: ScheduleEntry, tick: Tick, reason: string): string {
  return `${tickText(entry, tick)} was lost: ${reason}`;
}

export function delayedNotice(entry: ScheduleEntry, tick: Tick, reason: string): string {
  return `${tickText(entry, tick)} waits, and comes later: ${reason}`;
}

function tickText({ schedule }: ScheduleEntry, { scheduledAt }: Tick): string {
  return `The tick of ${schedule} at ${new Date(scheduledAt).toISOString()}`;
}
