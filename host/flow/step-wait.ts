import { GtpackError } from '../errors.ts';
import type { Attempt, StepParts } from './attempt.ts';
import { outputNames } from './flow.ts';
import { targetIn } from './frame.ts';
import type { NodeAwaits } from './node/node.ts';
import { PutOff } from './run-failure.ts';
import { RunEvent } from './scope.ts';

/** Longer waits put the run off, so that its event is not held in memory. */
export const MAX_WAIT_IN_CELL_MS = 2000;
/** What is parked with a run besides its event and its journal. */
const STATE_HEADROOM_CHARACTERS = 8 * 1024;

/** What a step does while it waits. */
export class StepWait {
  readonly #parts: StepParts;

  constructor(parts: StepParts) {
    this.#parts = parts;
  }

  /** @throws PutOff for what is not over in a moment */
  async until(due: number, parks: boolean): Promise<void> {
    const { host } = this.#parts.run;
    const left = due - host.now();
    if (left > MAX_WAIT_IN_CELL_MS) throw new PutOff(due, { parks });
    if (left <= 0) return;
    await new Promise<void>((resolve) => {
      host.after(left, resolve);
    });
  }

  /**
   * The end of its wait is recorded before it begins: whoever goes on with the run waits no longer than that.
   * @returns the next node
   */
  async park(attempt: Attempt, due: number): Promise<string | undefined> {
    const isLong = due - this.#parts.run.host.now() > MAX_WAIT_IN_CELL_MS;
    this.#write(attempt, due, isLong);
    if (isLong) await this.#parts.state.record();
    await this.until(due, true);
    return this.end(attempt);
  }

  /** @returns the next node */
  end(attempt: Attempt): string | undefined {
    const next = this.#next();
    this.#parts.state.journal.write(attempt.ordinal, attempt.outcome({ status: 'ok', next: next ?? null }));
    return next;
  }

  /** However short it is, it parks: events come to parked runs alone. @throws PutOff, GtpackError `flow_wait_invalid` */
  async forEvent(attempt: Attempt, awaits: NodeAwaits, maxCharacters: number): Promise<never> {
    const { run, state, frame, compiled } = this.#parts;
    const { id } = compiled.node;
    if (frame.isShared) {
      throw new GtpackError(
        'flow_wait_invalid',
        `The node ${id} would wait for an event while other chains of its run go on: while they do, no event could come to it.`,
        {
          cure: 'Let rounds that wait for events go one by one, or start a flow for each of them by `async`.',
        },
      );
    }
    const due = run.host.now() + awaits.timeoutMs;
    this.#write(attempt, due, true);
    const { journal } = state;
    let characters = JSON.stringify(run.event.json).length + STATE_HEADROOM_CHARACTERS;
    for (const { entry } of journal.all()) characters += JSON.stringify(entry).length + 16;
    if (characters > maxCharacters) {
      throw new GtpackError(
        'flow_wait_invalid',
        `The run has ${characters} characters of events and outputs; with more than ${maxCharacters} it cannot wait for an event.`,
        { cure: 'Let nodes before it give only what later nodes need.' },
      );
    }
    await state.record();
    throw this.#putOff(attempt, awaits, due);
  }

  /**
   * Goes on with a wait for an event that was recorded: with the event, or since its time is over.
   * @returns the next node
   * @throws PutOff, GtpackError `wait_timeout`, `flow_wait_invalid`
   */
  onEvent(attempt: Attempt, awaits: NodeAwaits): string | undefined {
    const { run, state, frame, compiled } = this.#parts;
    const { node } = compiled;
    const { arrived } = run.order;
    const due = attempt.standing.due ?? 0;
    if (arrived?.ordinal === attempt.ordinal) {
      if (arrived.isOffer === true) {
        const isWanted = awaits.wants(new RunEvent(arrived.event ?? ''));
        throw new PutOff(due, { parks: true, isWanted });
      }
      if (arrived.event === null) {
        throw new GtpackError(
          'flow_wait_invalid',
          `The event that came for the node ${node.id} is too large to go on with.`,
        );
      }
      attempt.checkOutput(arrived.event);
      state.countOutput(arrived.event.length);
      frame.scope.record(node.id, arrived.event, outputNames(node));
      const next = this.#next();
      const output = arrived.event;
      state.journal.write(attempt.ordinal, attempt.outcome({ status: 'ok', next: next ?? null, output }));
      return next;
    }
    if (run.host.now() < due) throw this.#putOff(attempt, awaits, due);
    throw new GtpackError(
      'wait_timeout',
      `No event of the type ${awaits.pattern} came for the node ${node.id} within ${awaits.timeoutMs} ms.`,
    );
  }

  #putOff(attempt: Attempt, { pattern, key }: NodeAwaits, due: number): PutOff {
    const found = key();
    const more = found === undefined ? {} : { key: found };
    return new PutOff(due, { parks: true, awaits: { ordinal: attempt.ordinal, pattern, ...more } });
  }

  #write(attempt: Attempt, due: number, isCounted: boolean): void {
    const { state, compiled } = this.#parts;
    const waits = attempt.standing.waits + (isCounted ? 1 : 0);
    const outcome = attempt.outcome({ status: 'waiting', next: compiled.node.id, due, waits });
    state.journal.write(attempt.ordinal, outcome);
  }

  #next(): string | undefined {
    return targetIn(this.#parts.frame, this.#parts.compiled.node.next);
  }
}
