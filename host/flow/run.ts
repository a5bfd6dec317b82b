import type { GtpackError } from '../errors.ts';
import type { CellLimits, ParkedOutcome, RunError, RunOrder, RunOutcome } from '../sandbox/protocol.ts';
import type { CompiledFlow } from './compiled-flow.ts';
import type { FlowHost } from './flow-host.ts';
import { type Frame, NO_ENDS } from './frame.ts';
import { PutOff, placeOf, RunFailure } from './run-failure.ts';
import { RunState } from './run-state.ts';
import { RunSteps } from './run-steps.ts';
import { type RunEvent, RunScope } from './scope.ts';

export interface RunParts {
  readonly flow: CompiledFlow;
  readonly order: RunOrder;
  readonly event: RunEvent;
  readonly host: FlowHost;
  readonly limits: CellLimits;
  /** The tenant's flows by name; or why one cannot be run. */
  readonly flows: (name: string) => CompiledFlow | GtpackError;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
}

/** One event going through one flow. */
export class Run {
  readonly #parts: RunParts;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** Never rejects (F4). */
  async toEnd(): Promise<RunOutcome> {
    let state: RunState | undefined;
    try {
      state = new RunState(this.#parts);
      const output = await new RunSteps(this.#parts, state, this.#frame()).toEnd();
      this.#answer(state, 200, output);
      return this.#outcome(state, { status: 'ok', output });
    } catch (thrown) {
      if (thrown instanceof PutOff) return this.#waiting(state, thrown);
      const { error, retryAfterMs } = RunFailure.of(thrown, placeOf(this.#parts.flow, undefined));
      if (this.#isAsked) return this.#outcome(state, { status: 'error', error });
      this.#answerFailure(state, error);
      const later = error.retryable && retryAfterMs !== undefined ? { retryAfterMs } : {};
      const parked = state === undefined ? {} : { parked: this.#parked(state, this.#parts.host.now()) };
      return this.#outcome(state, { status: 'error', error, ...later, ...parked });
    }
  }

  /** The run is only asked whether it wants an event. */
  get #isAsked(): boolean {
    return this.#parts.order.arrived?.isOffer === true;
  }

  #frame(): Frame {
    const { flow, order, event } = this.#parts;
    const trigger = flow.flow.triggers[order.trigger];
    const isCalled = trigger?.type === 'call';
    return {
      id: '',
      flow,
      event,
      scope: new RunScope(event, isCalled ? event.payloadJson : undefined),
      start: trigger?.target,
      ends: NO_ENDS,
      wall: undefined,
      isShared: false,
      depth: 0,
    };
  }

  /** A webhook waits for every run of a flow with an `http_response` node; whichever way it ends, it is answered. */
  #answer(state: RunState | undefined, status: number, body: string): void {
    const { flow, event, host } = this.#parts;
    if (!flow.flow.answersWebhook || state?.isAnswered === true) return;
    host.respond(event.head.id, { status, headers: { 'content-type': 'application/json' }, body });
  }

  /** The sender learns that the flow failed and what to ask its operator for, and nothing of the flow's inside. */
  #answerFailure(state: RunState | undefined, error: RunError): void {
    // The next attempt may answer better.
    if (error.retryable) return;
    const { runId, flow } = this.#parts.order;
    const message = `The flow ${flow} failed; its run is ${runId}.`;
    this.#answer(state, 500, JSON.stringify({ code: 'flow_failed', message }));
  }

  #waiting(state: RunState | undefined, { due, how }: PutOff): RunOutcome {
    const { parks, awaits, isWanted } = how;
    if (this.#isAsked) return this.#outcome(undefined, { status: isWanted === true ? 'waiting' : 'passed' });
    const waitMs = Math.max(0, due - this.#parts.host.now());
    if (!parks || state === undefined) return this.#outcome(state, { status: 'waiting', waitMs });
    const parked = { ...this.#parked(state, due), ...(awaits === undefined ? {} : { awaits }) };
    return this.#outcome(state, { status: 'waiting', waitMs, parked });
  }

  #parked({ journal }: RunState, due: number): ParkedOutcome {
    return { due, waits: journal.waits, journal: journal.all() };
  }

  #outcome(
    state: RunState | undefined,
    end: Pick<RunOutcome, 'status' | 'output' | 'error' | 'waitMs' | 'parked' | 'retryAfterMs'>,
  ): RunOutcome {
    const { order, host, startedAt } = this.#parts;
    return {
      runId: order.runId,
      flow: order.flow,
      journalJson: state?.journal.toJson() ?? `[${order.journal.join(',')}]`,
      durationMs: host.now() - startedAt,
      ...(state === undefined || state.waits === 0 ? {} : { waits: state.waits }),
      ...end,
    };
  }
}
