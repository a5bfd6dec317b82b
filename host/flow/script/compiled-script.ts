import type { LogLevel } from '../../contract.ts';
import { GtpackError } from '../../errors.ts';
import type { HelperImage } from './helper-image.ts';
import type { Machine } from './machine.ts';
import { GuestThrow, PROMISE_PENDING, PROMISE_REJECTED } from './quickjs.ts';
import { type SourceMap, scriptError, timedOut } from './script-error.ts';

export interface ScriptRun {
  /** JSON texts by the names under which the script sees them, frozen. */
  readonly scope: Readonly<Record<string, string>>;
  /** What the clock shows throughout the run. Milliseconds since the Unix epoch. */
  readonly now: number;
  /** Decides the numbers of `Math.random`. */
  readonly seed: string | number;
  /** Asked every few thousand instructions; true ends the run. Slow built-in functions are not interrupted by it. */
  shouldStop(): boolean;
  onConsole(level: LogLevel, line: string): void;
}

/** Of one run; a loop of promises that never ends is ended after these. */
const MAX_JOBS = 10_000;

/** A script that has been checked, with the context that its helpers were loaded into. */
export class CompiledScript {
  readonly #machine: Machine;
  readonly #image: HelperImage;
  readonly #source: string;
  readonly #place: { readonly file: string; readonly line: number };
  readonly #sources: SourceMap;
  readonly #maxResultBytes: number;
  #release: (() => void) | undefined;

  /** `source` is padded so that its lines are the file's; `release` is called once, when the script is disposed. */
  constructor(parts: {
    readonly machine: Machine;
    readonly image: HelperImage;
    readonly source: string;
    readonly place: { readonly file: string; readonly line: number };
    readonly sources: SourceMap;
    readonly maxResultBytes: number;
    readonly release: () => void;
  }) {
    this.#machine = parts.machine;
    this.#image = parts.image;
    this.#source = parts.source;
    this.#place = parts.place;
    this.#sources = parts.sources;
    this.#maxResultBytes = parts.maxResultBytes;
    this.#release = parts.release;
  }

  /**
   * Runs the script in a context of its own and returns the JSON text of its last expression's value: `null` for
   * undefined, the settled value for a promise. The text's size is bounded, its depth and element count are not.
   *
   * @throws GtpackError `script_threw`, `script_timeout`, `script_out_of_memory`, `script_stack_overflow`,
   * `script_result_invalid`, `guest_trap`. The script can be run again after each of them.
   */
  run(run: ScriptRun): string {
    if (this.#release === undefined) throw new Error('the script has been disposed of');
    const { quickjs } = this.#machine;
    let phase: 'script_threw' | 'script_result_invalid' = 'script_threw';
    for (const { level, line } of this.#image.lines) run.onConsole(level, line);
    return this.#machine.visit({
      start: this.#image.snapshot,
      place: this.#place,
      reach: {
        now: () => run.now,
        shouldStop: () => run.shouldStop(),
        onConsole: (level, line) => run.onConsole(level, line),
        resolveModule: () => undefined,
        moduleSource: () => undefined,
      },
      explain: (thrown) => scriptError(thrown, phase, this.#sources),
      work: () => {
        const args = [quickjs.string(this.#source), quickjs.string(String(run.seed))];
        for (const [name, json] of Object.entries(run.scope)) {
          args.push(quickjs.string(name), quickjs.string(json));
        }
        const value = this.#settled(this.#machine.call('begin', args));
        phase = 'script_result_invalid';
        const json = quickjs.text(this.#machine.call('finish', [value]), this.#maxResultBytes);
        if (json === undefined) throw this.#tooLarge();
        return json;
      },
    });
  }

  /** Idempotent. */
  dispose(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #settled(value: number): number {
    const { quickjs } = this.#machine;
    if (!quickjs.runJobs(MAX_JOBS)) throw timedOut(this.#place);
    const state = quickjs.promiseState(value);
    if (state < 0) return value;
    if (state === PROMISE_PENDING) {
      throw new GtpackError('script_result_invalid', 'The script’s value is a promise that never settles.', {
        cure: 'A script has no timers and no I/O, so nothing can settle it later: end with a plain value.',
        ...this.#place,
      });
    }
    const result = quickjs.promiseResult(value);
    if (state === PROMISE_REJECTED) throw new GuestThrow(result);
    return result;
  }

  #tooLarge(): GtpackError {
    return new GtpackError(
      'script_result_invalid',
      `The script’s value is larger than ${this.#maxResultBytes} bytes of JSON.`,
      { cure: 'Return only what the next nodes need.', ...this.#place },
    );
  }
}
