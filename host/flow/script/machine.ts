import { GtpackError } from '../../errors.ts';
import { BOOTSTRAP_FILE, BOOTSTRAP_SOURCE } from './bootstrap.ts';
import { type GuestReach, SwitchedHost } from './guest-reach.ts';
import { EVAL_GLOBAL, GuestOutOfMemory, GuestThrow, type Handle, QuickJs } from './quickjs.ts';
import {
  outOfMemory,
  type Place,
  parseThrownValue,
  placeOf,
  stackOverflow,
  type ThrownValue,
  timedOut,
} from './script-error.ts';
import { findLayout, initialWords, type MemoryLayout, Snapshot } from './snapshot.ts';

export interface MachineLimits {
  readonly maxMemoryBytes: number;
  readonly maxStackBytes: number;
  readonly maxConsoleLines: number;
  readonly maxConsoleLineBytes: number;
}

/** One entry into guest code. */
export interface Visit<T> {
  readonly start: Snapshot;
  readonly reach: GuestReach;
  /** For errors that have no better place. */
  readonly place: Place;
  /** Makes an error of what the guest threw. */
  explain(thrown: ThrownValue): GtpackError;
  work(): T;
}

/** The bootstrap's functions. */
type Entry = 'expose' | 'begin' | 'finish' | 'describe';
type Entries = Readonly<Record<Entry, Handle>>;

const PAGE_BYTES = 65_536;
/** The module's own minimum. */
const INITIAL_PAGES = 256;
const MIN_STACK_BYTES = 64 * 1024;
const MAX_STACK_BYTES = 4 * 1024 * 1024;
/** The bootstrap bounds the parts of a description; as JSON they stay below this. */
const MAX_DESCRIPTION_BYTES = 1024 * 1024;

/**
 * QuickJS with the bootstrap evaluated, and the rules by which guest code is entered and left:
 *
 * M1 every visit starts from a snapshot, so nothing of an earlier one is there;
 * M2 one visit at a time;
 * M3 an instance that trapped never runs again: its stack pointer is where it was. A new one takes its place on the
 * same memory.
 */
export class Machine {
  readonly quickjs: QuickJs;
  /** The bootstrapped context that all others are made from. */
  readonly base: Snapshot;
  readonly #layout: MemoryLayout;
  readonly #entries: Entries;
  readonly #host: SwitchedHost;
  /** Guest code was entered and has not been left in order: its instance has trapped. */
  #inside = false;

  private constructor(quickjs: QuickJs, layout: MemoryLayout, entries: Entries, host: SwitchedHost) {
    this.quickjs = quickjs;
    this.#layout = layout;
    this.#entries = entries;
    this.#host = host;
    this.base = this.takeSnapshot();
  }

  /** @throws RangeError for limits that the module cannot keep; Error if its build is not the one known here. */
  static async create(wasmModule: WebAssembly.Module, limits: MachineLimits): Promise<Machine> {
    const maximum = Math.floor(limits.maxMemoryBytes / PAGE_BYTES);
    if (!(maximum >= INITIAL_PAGES)) {
      throw new RangeError(`a script engine needs at least ${INITIAL_PAGES * PAGE_BYTES} bytes of memory`);
    }
    // QuickJS takes 0 for no limit, and its C stack ends where its static data begins.
    if (!(limits.maxStackBytes >= MIN_STACK_BYTES && limits.maxStackBytes <= MAX_STACK_BYTES)) {
      throw new RangeError(`a script engine's stack has ${MIN_STACK_BYTES} to ${MAX_STACK_BYTES} bytes`);
    }
    const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum });
    const host = new SwitchedHost(limits.maxConsoleLineBytes);
    let initial = new Uint32Array(0);
    const quickjs = await QuickJs.load(wasmModule, memory, host, () => {
      initial = initialWords(memory);
    });
    const layout = findLayout(quickjs, initial);
    quickjs.open(limits.maxStackBytes);
    const functions = quickjs.call(quickjs.evaluate(BOOTSTRAP_SOURCE, BOOTSTRAP_FILE, EVAL_GLOBAL), [
      quickjs.printFunction(),
      quickjs.number(limits.maxConsoleLines),
      quickjs.number(limits.maxConsoleLineBytes),
    ]);
    const entries = {
      expose: quickjs.property(functions, 'expose'),
      begin: quickjs.property(functions, 'begin'),
      finish: quickjs.property(functions, 'finish'),
      describe: quickjs.property(functions, 'describe'),
    };
    return new Machine(quickjs, layout, entries, host);
  }

  takeSnapshot(): Snapshot {
    return Snapshot.take(this.quickjs, this.#layout);
  }

  /** Throws GuestThrow; only within a visit. */
  call(entry: Entry, args: readonly Handle[]): Handle {
    return this.quickjs.call(this.#entries[entry], args);
  }

  /**
   * @throws GtpackError `script_timeout`, `script_out_of_memory`, `script_stack_overflow`, `guest_trap`, and what
   * `explain` gives; and whatever a function of `reach` threw.
   */
  visit<T>(visit: Visit<T>): T {
    // M2: a callback of a run may not start another one on the same memory.
    if (this.#host.reach !== undefined) throw new Error('a script runs already in this engine');
    visit.start.restore(this.quickjs); // M1
    if (this.#inside) {
      this.quickjs.restart(); // M3
      visit.start.restore(this.quickjs);
    }
    this.quickjs.hostFailure = undefined;
    this.#host.stopped = false;
    this.#host.memoryFull = false;
    this.#host.reach = visit.reach;
    this.#inside = true;
    try {
      const result = visit.work();
      this.#inside = false;
      // A promise may have swallowed the exception that was to stop the guest.
      if (this.#isInterrupted) throw this.#interrupted(visit.place);
      return result;
    } catch (thrown) {
      throw this.#errorOf(thrown, visit);
    } finally {
      this.#host.reach = undefined;
    }
  }

  #errorOf(thrown: unknown, visit: Visit<unknown>): unknown {
    if (!this.#inside) return thrown;
    let failure = thrown;
    if (failure instanceof GuestThrow) {
      try {
        failure = this.#explained(failure, visit);
      } catch (again) {
        failure = again;
      }
    }
    // Describing what was thrown runs guest code too (getters); only a stop or full memory throws out of it.
    if (failure instanceof GuestThrow) {
      failure = this.#isInterrupted ? this.#interrupted(visit.place) : new GuestOutOfMemory();
    }
    const isOrderly =
      failure instanceof GtpackError ||
      failure instanceof GuestOutOfMemory ||
      failure === this.quickjs.hostFailure?.thrown;
    if (!isOrderly) return trapped(failure, visit.place); // and stays inside, for M3
    this.#inside = false;
    return failure instanceof GuestOutOfMemory ? outOfMemory(visit.place) : failure;
  }

  #explained({ value }: GuestThrow, visit: Visit<unknown>): unknown {
    const description = this.quickjs.text(this.call('describe', [value]), MAX_DESCRIPTION_BYTES);
    const thrown = parseThrownValue(description ?? 'null');
    const error = visit.explain(thrown);
    if (this.#isInterrupted) return this.#interrupted(placeOf(error));
    // With no memory left for an error object, QuickJS throws null.
    if (this.#host.memoryFull && thrown.message === 'null') return new GuestOutOfMemory();
    return error;
  }

  get #isInterrupted(): boolean {
    return this.#host.stopped || this.quickjs.hostFailure !== undefined;
  }

  #interrupted(place: Place): unknown {
    const { hostFailure } = this.quickjs;
    if (hostFailure === undefined) return timedOut(place);
    return isNativeStackOverflow(hostFailure.thrown) ? stackOverflow(place) : hostFailure.thrown;
  }
}

function trapped(thrown: unknown, place: Place): GtpackError {
  if (isNativeStackOverflow(thrown)) return stackOverflow(place);
  const what = thrown instanceof Error ? thrown.message : String(thrown);
  return new GtpackError('guest_trap', `The script made its engine fail: ${what}.`, {
    ...place,
    cause: thrown,
    cure: 'The script was ended and the engine replaced. Simplify the script, or report it with its input.',
  });
}

/** V8's own, when WebAssembly frames fill the thread's stack before QuickJS's limit is reached. */
function isNativeStackOverflow(thrown: unknown): boolean {
  return thrown instanceof RangeError && thrown.message.includes('call stack');
}
