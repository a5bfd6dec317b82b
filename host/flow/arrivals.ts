import type { Delivery, DurableBus } from '../bus/bus.ts';
import { isResumption, parkedRuns } from '../bus/parked.ts';
import { timerEvent } from '../bus/timer-event.ts';
import { errorMessage } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, RunOrder, RunOutcome } from '../sandbox/protocol.ts';
import { calledFlow } from './call.ts';
import { keyText, valueAt } from './correlation.ts';
import type { CellSubmit } from './dispatcher.ts';
import type { Flow } from './flow.ts';
import type { FlowVersions } from './flow-versions.ts';
import { failed, resultsOf, runErrorOf } from './job-result.ts';
import { arrivedPayload, keyOf, type ParkedState, parkedState } from './parked-run.ts';
import { isNotItsDoing } from './settle.ts';

export interface ArrivalsOptions {
  readonly bus: Pick<DurableBus, 'waits' | 'timers'>;
  readonly cells: CellSubmit;
  readonly versions: Pick<FlowVersions, 'load'>;
  /** A new trace: 32 lower-case hex digits. */
  readonly newTraceId: () => string;
  /** A run could not be asked for good; it goes on waiting. */
  readonly onFault: (tenant: TenantId, message: string) => void;
}

/** Runs of one event that are asked at a time: bounds what is in memory to 16 times 256 Ki characters. */
const ASKED_AT_ONCE = 16;
/** After so many deliveries of an event, a run that cannot be asked about it goes without it. */
const MAX_ATTEMPTS = 5;

export interface TenantArrivals {
  /**
   * Resolves once every run that waits for the event has been resumed: false where the event has to come again first.
   * @returns undefined where no run may wait for it
   */
  offer(event: Delivery): Promise<boolean> | undefined;
}

/**
 * Brings events to the parked runs that wait for them.
 *
 * - An event counts for a run that was parked before the event was accepted, and never where it came before the event
 *   that brought the run to its wait.
 * - An event is settled after every run that it is for has been resumed; one that comes again finds no run again.
 * - What resumes a run takes its timer away and publishes the resuming event, in one step and under the id that the end
 *   of its time has, too: of several events, and of that end, one resumes it.
 */
export class Arrivals {
  readonly #options: ArrivalsOptions;

  constructor(options: ArrivalsOptions) {
    this.#options = options;
  }

  of(tenant: TenantId, flows: ReadonlyMap<string, Flow>): TenantArrivals {
    let isWaiting = false;
    for (const { nodes } of flows.values()) {
      isWaiting ||= nodes.some((node) => node.type === 'wait' && node.config.event !== undefined);
    }
    // One event after the other: a run gets the first that it is for.
    let before: Promise<unknown> = Promise.resolve();
    return {
      offer: (event) => {
        if (!isWaiting && !this.#options.bus.waits.has(tenant)) return undefined;
        const { schedule } = event;
        // What is for one run, or one flow, is for nobody else.
        if (isResumption(schedule) || calledFlow(schedule) !== undefined) return undefined;
        const offered = before.then(() => this.#offer(tenant, event, flows));
        before = offered;
        return offered;
      },
    };
  }

  async #offer(tenant: TenantId, event: Delivery, flows: ReadonlyMap<string, Flow>): Promise<boolean> {
    const { waits } = this.#options.bus;
    try {
      await waits.catchUp(tenant);
      let parsed: { readonly value: unknown } | undefined;
      // As it was bounded when it was accepted.
      const keyAt = (path: readonly string[]): string | undefined => {
        parsed ??= { value: JSON.parse(event.json) as unknown };
        const text = keyText(valueAt(parsed.value, path));
        return text === undefined ? undefined : keyOf(text);
      };
      const found = waits.find(tenant, { type: event.type, position: event.sequence }, keyAt);
      for (let at = 0; at < found.length; at += ASKED_AT_ONCE) {
        const asked = found.slice(at, at + ASKED_AT_ONCE);
        const ends = await Promise.allSettled(asked.map((id) => this.#ask(tenant, id, event, flows)));
        for (const end of ends) if (end.status === 'rejected') throw end.reason;
      }
      return true;
    } catch (error) {
      this.#options.onFault(
        tenant,
        `The event ${event.id} comes again for the runs that wait for it: ${errorMessage(error)}`,
      );
      return false;
    }
  }

  async #ask(
    tenant: TenantId,
    id: string,
    { json, attempt }: Delivery,
    flows: ReadonlyMap<string, Flow>,
  ): Promise<void> {
    const { bus, newTraceId } = this.#options;
    const owner = parkedRuns(tenant);
    const timer = await bus.timers.get(owner, id);
    if (timer === null) return;
    const state = parkedState(timer.payload);
    const { status, error } = await this.#answer(tenant, state, json, flows);
    if (error !== undefined) {
      const { code, message, retryable } = error;
      if (isNotItsDoing(code) || (retryable && attempt < MAX_ATTEMPTS)) throw new CannotAsk(message);
      this.#options.onFault(
        tenant,
        `The run ${state.runId} goes on waiting, since it cannot be asked: ${message}`,
      );
    }
    if (status !== 'waiting') return;
    const resumed = { ...timer, payload: arrivedPayload(timer.payload, json) };
    await bus.timers.fire(owner, timer, timerEvent(owner, resumed, newTraceId()), null);
  }

  /** Asks the run in its cell: what it waits for is its tenant's, like all that it compares it with. */
  async #answer(
    tenant: TenantId,
    { runId, flow, flows: written, trigger, journal, event: own, awaits = 0 }: ParkedState,
    event: string,
    flows: ReadonlyMap<string, Flow>,
  ): Promise<RunOutcome> {
    const { cells, versions } = this.#options;
    const order: RunOrder = {
      ...{ runId, flow: flow.name, trigger, position: 0, journal: journal.map(({ entry }) => entry) },
      arrived: { ordinal: awaits, event, isOffer: true },
    };
    try {
      const kept = await versions.load(tenant, written, flows);
      const older = kept.filter(({ isCurrent }) => !isCurrent).map((version) => version.json());
      const asked = older.length === 0 ? order : { ...order, versions: older };
      const job: Job = { kind: 'run', event: own.json, attempt: 1, runs: [asked] };
      const [outcome] = resultsOf(await cells.submit(tenant, job), [asked]);
      return outcome ?? failed(order, runErrorOf(undefined));
    } catch (error) {
      return failed(order, runErrorOf(error));
    }
  }
}

/** A run could not be asked now, and may be at the next delivery of the event. */
class CannotAsk extends Error {}
