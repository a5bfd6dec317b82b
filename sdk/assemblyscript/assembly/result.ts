import { field, textField } from "./json";
import { problem } from "./outcome";

/** Why a host function did not do what it was asked. */
export class Problem {
  /**
   * `code`: snake_case, to be matched on. `message`: what was expected and what came. `retryable`: whether the same call, made
   * again later, may succeed.
   */
  constructor(public code: string, public message: string, public retryable: bool) {}

  /** The problem as what `ingest`, `tick`, `handle` and `invoke` return, for those that pass it on. */
  envelope(): string {
    return problem(this.code, this.message, this.retryable);
  }
}

/** What a host function gave: a value, or a problem. */
export class Result<T> {
  /** Made by `succeeded` and `failed`. `problem`: null where it went well. */
  constructor(private held: T, public problem: Problem | null) {}

  /** Whether there is a value. */
  get isOk(): bool {
    return this.problem === null;
  }

  /** The value. Without one the call ends in `guest_trap`, so look at `problem` first. */
  get value(): T {
    const failure = this.problem;
    if (failure !== null) throw new Error("There is no value: " + failure.code + ": " + failure.message);
    return this.held;
  }
}

export function succeeded<T>(value: T): Result<T> {
  return new Result<T>(value, null);
}

export function failed<T>(failure: Problem): Result<T> {
  // Nobody gets it: `value` looks at the problem first.
  if (isReference<T>()) return new Result<T>(changetype<T>(0), failure);
  return new Result<T>(<T>0, failure);
}

// What the host answers stands in an envelope: `{"ok":JSON}`, or `{"err":{…}}`.

/** Where the JSON of an envelope that is ok starts. */
export const OK_START: i32 = 6;

/** The problem in an envelope; null in one that is ok. */
export function problemIn(envelope: string, fn: string): Problem | null {
  if (envelope.startsWith('{"ok":')) return null;
  const error = field(envelope, "err");
  if (error === null) return wrongAnswer(fn);
  const code = textField(error, "code");
  const message = textField(error, "message");
  if (code === null || message === null) return wrongAnswer(fn);
  return new Problem(code, message, field(error, "retryable") == "true");
}

/** The JSON in an envelope that is ok. */
export function okIn(envelope: string): string {
  return envelope.substring(OK_START, envelope.length - 1);
}

/** For an answer that is not what sdk/wit says of the function. */
export function wrongAnswer(fn: string): Problem {
  return new Problem("host_answer_invalid", fn + ": the host's answer is not what the contract says.", false);
}

/** The answer of a function that gives `true` or `false`. */
export function flagIn(envelope: string, fn: string): Result<bool> {
  const failure = problemIn(envelope, fn);
  if (failure !== null) return failed<bool>(failure);
  const json = okIn(envelope);
  if (json != "true" && json != "false") return failed<bool>(wrongAnswer(fn));
  return succeeded<bool>(json == "true");
}
