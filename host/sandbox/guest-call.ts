import type { GuestProblem, LogLevel, WaitingImport } from '../contract.ts';
import type { GuestReply } from './plugin.ts';
import type { CellLimits, CellLogLine } from './protocol.ts';
import type { Owner } from './watch.ts';

/** How a call reaches the broker. */
export interface Asking {
  /** Resolves with the broker's answer. */
  ask(capability: WaitingImport, fn: string, args: readonly string[]): Promise<GuestReply>;
  /**
   * Enters a guest, or hands a suspended one its answer, in a turn of its own, so that the watch sees whose code goes on.
   * Every answer goes this way, the host's own refusals too: a guest that asks in a loop must not starve the thread unseen.
   */
  deliver(owner: Owner, hand: () => void): void;
  /** The guest does not take no for an answer: its cell has to end. */
  giveUp(owner: Owner, detail: string): void;
}

/** Refusals of one call that a guest may ignore. */
const MAX_REFUSALS = 100;

export type GuestLine = Pick<CellLogLine, 'source' | 'level' | 'message'>;

/** Arguments of one host call together, in UTF-16 code units. */
const MAX_ARGUMENT_CHARACTERS = 4 * 1024 * 1024;

/**
 * One call into guest code: what it may still log, ask for, and wait. Past its time every effect is answered with a
 * problem, at once; a pending one is not abandoned but answered, since an abandoned call would leak its instance.
 */
export class GuestCall {
  readonly owner: Owner;
  readonly #limits: CellLimits;
  readonly #asking: Asking;
  readonly #pending = new Set<(reply: GuestReply) => void>();
  readonly #lines: GuestLine[] = [];
  #effects = 0;
  #refusals = 0;
  #deadline: NodeJS.Timeout | undefined;
  #over = false;

  constructor(owner: Owner, limits: CellLimits, asking: Asking) {
    this.owner = owner;
    this.#limits = limits;
    this.#asking = asking;
  }

  /**
   * Lines are kept until the guest has been left: it may call in at the very end of its thread's stack, and an overflow in
   * the middle of sending would leave the sender's state half done.
   */
  log(source: string, level: LogLevel, message: string): void {
    const { maxLogLinesPerCall, maxLogLineBytes } = this.#limits;
    const left = maxLogLinesPerCall - this.#lines.length;
    if (left === 1) {
      const text = `${maxLogLinesPerCall} lines in one call: further lines are dropped.`;
      this.#lines.push({ source, level: 'warn', message: text });
    } else if (left > 1) {
      this.#lines.push({ source, level, message: cutToBytes(message, maxLogLineBytes) });
    }
  }

  /**
   * Enters a guest that may wait, in a turn of its own: a component's glue enters it in promise jobs that follow, and what
   * an AssemblyScript guest does at the end of its call is in one, too.
   */
  inTurn<T>(enter: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#asking.deliver(this.owner, () => {
        try {
          resolve(enter());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  ask(capability: WaitingImport, fn: string, args: readonly string[]): Promise<GuestReply> {
    const { maxEffectsPerRun } = this.#limits;
    const size = args.reduce((total, text) => total + text.length, 0);
    if (this.#effects >= maxEffectsPerRun) return this.#answered(tooMany(maxEffectsPerRun));
    if (size > MAX_ARGUMENT_CHARACTERS) return this.#answered(tooLarge(size));
    return this.#answered(() => this.#asking.ask(capability, fn, args));
  }

  /** Refuses what need not reach the broker. Counts as an effect, and is answered like one. */
  refuse(refusal: GuestProblem): Promise<GuestReply> {
    return this.#answered({ kind: 'problem', problem: refusal });
  }

  /** @param by the refusal, or what has to be done for the answer */
  #answered(by: GuestReply | (() => Promise<GuestReply>)): Promise<GuestReply> {
    const { effectCallWallMs } = this.#limits;
    this.#effects += 1;
    this.#deadline ??= setTimeout(() => this.#expire(), effectCallWallMs);
    const first = this.#over ? timedOut(effectCallWallMs) : by;
    if (typeof first !== 'function') this.#countRefusal();
    return new Promise((resolve) => {
      const answer = (reply: GuestReply): void => {
        if (this.#pending.delete(answer)) this.#asking.deliver(this.owner, () => resolve(reply));
      };
      this.#pending.add(answer);
      if (typeof first === 'function') void first().then(answer);
      else answer(first);
    });
  }

  /** The call is over, however it ended. @returns what it logged */
  end(): readonly GuestLine[] {
    clearTimeout(this.#deadline);
    this.#over = true;
    return this.#lines;
  }

  #countRefusal(): void {
    this.#refusals += 1;
    if (this.#refusals === MAX_REFUSALS) {
      this.#asking.giveUp(this.owner, `The call went on asking after ${MAX_REFUSALS} refusals.`);
    }
  }

  #expire(): void {
    this.#over = true;
    for (const answer of [...this.#pending]) answer(timedOut(this.#limits.effectCallWallMs));
  }
}

function timedOut(wallMs: number): GuestReply {
  return problem('guest_timeout', `The call has run for ${wallMs} ms, which is the most allowed.`);
}

function tooMany(most: number): GuestReply {
  return problem(
    'guest_effects_exceeded',
    `The call has asked for ${most} effects, which is the most allowed.`,
  );
}

function tooLarge(size: number): GuestReply {
  return problem(
    'guest_output_invalid',
    `The call passed ${size} characters to the host; ${MAX_ARGUMENT_CHARACTERS} are allowed.`,
  );
}

function problem(code: string, message: string): GuestReply {
  return { kind: 'problem', problem: { code, message, retryable: false } };
}

/** Cut between characters, so that it is well-formed Unicode of at most `maxBytes` of UTF-8. */
function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.slice(0, maxBytes));
  if (bytes.length <= maxBytes) return bytes.toString();
  let end = maxBytes;
  // A byte of the form 10xxxxxx goes on with a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
