import type { Clock } from '../../host/schedule/schedule.ts';

/** A clock that a test moves by hand. */
export class HandClock implements Clock {
  #now: number;
  #timer: { readonly at: number; readonly callback: () => void } | undefined;
  /** Delays of the timers that were set. */
  readonly delays: number[] = [];

  constructor(start: string) {
    this.#now = Date.parse(start);
  }

  now(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    if (this.#timer !== undefined) throw new Error('a second timer was set');
    this.delays.push(delayMs);
    const timer = { at: this.#now + delayMs, callback };
    this.#timer = timer;
    return () => {
      if (this.#timer === timer) this.#timer = undefined;
    };
  }

  get timers(): number {
    return this.#timer === undefined ? 0 : 1;
  }

  /** Whoever set the timer is no more. */
  forget(): void {
    this.#timer = undefined;
  }

  /** Moves on, as an awake machine does: the timer comes on time. */
  runTo(instant: string): void {
    const end = Date.parse(instant);
    for (let timer = this.#timer; timer !== undefined && timer.at <= end; timer = this.#timer) {
      this.#now = timer.at;
      this.#timer = undefined;
      timer.callback();
    }
    this.#now = end;
  }

  /** Jumps, as a machine that slept does: only then the timer comes. */
  sleepTo(instant: string): void {
    this.#now = Date.parse(instant);
    const timer = this.#timer;
    this.#timer = undefined;
    timer?.callback();
  }
}
