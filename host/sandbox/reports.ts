import { Outbox } from './outbox.ts';
import type { CellReport, EffectAnswer } from './protocol.ts';

/** Results go out in parts of a large batch, so that the bus commits some while the cell works on the rest. */
const REPORTS_A_BATCH = 16;

/** What a cell tells the main process, and what it asks there. */
export class Reports {
  readonly #outbox: Outbox<CellReport>;
  readonly #calls = new Map<number, (answer: EffectAnswer) => void>();
  #nextCall = 0;

  constructor(send: (batch: CellReport[]) => void) {
    this.#outbox = new Outbox(send, REPORTS_A_BATCH);
  }

  push(report: CellReport): void {
    this.#outbox.push(report);
  }

  /** Resolves with the answer to the report that is made with the number of its call. */
  ask(report: (call: number) => CellReport): Promise<EffectAnswer> {
    const call = this.#nextCall;
    this.#nextCall += 1;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      this.#outbox.push(report(call));
    });
  }

  answered(call: number, answer: EffectAnswer): void {
    const resolve = this.#calls.get(call);
    this.#calls.delete(call);
    resolve?.(answer);
  }
}
