import { quote, unquote } from "./json";
import { failed, flagIn, okIn, Problem, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";
import { decimal, isInteger, parseDecimal } from "./text";

// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "get")
declare function hostGet(key: string): string;

// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "set")
declare function hostSet(key: string, value: string): string;

// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "delete")
declare function hostDelete(key: string): string;

// @ts-ignore: decorator
@lazy
const SET = "state.set";

/** A small store of JSON values, the provider's own in its tenant. A key has 1 to 256 characters. */
export namespace state {
  /** The value as JSON; `null` where there is none. */
  export function get(key: string): Result<string> {
    const envelope = hostGet(key);
    const failure = problemIn(envelope, "state.get");
    return failure === null ? succeeded<string>(okIn(envelope)) : failed<string>(failure);
  }

  /** The value if it is a string; null where there is none or it is something else. */
  export function getText(key: string): Result<string | null> {
    const result = get(key);
    const failure = result.problem;
    if (failure !== null) return failed<string | null>(failure);
    const json = result.value;
    return succeeded<string | null>(json.charCodeAt(0) == QUOTE ? unquote(json) : null);
  }

  /** The value if it is an integer; `otherwise` where there is none or it is something else. */
  export function getInteger(key: string, otherwise: i64 = 0): Result<i64> {
    const result = get(key);
    const failure = result.problem;
    if (failure !== null) return failed<i64>(failure);
    const json = result.value;
    return succeeded<i64>(isInteger(json) ? parseDecimal(json) : otherwise);
  }

  /** Keeps a value in place of an earlier one. `json`: any JSON. Null where it is kept, else why it is not. */
  export function set(key: string, json: string): Problem | null {
    const envelope = hostSet(key, json);
    const failure = problemIn(envelope, SET);
    if (failure !== null) return failure;
    return okIn(envelope) == "null" ? null : wrongAnswer(SET);
  }

  /** Keeps a string. */
  export function setText(key: string, text: string): Problem | null {
    return set(key, quote(text));
  }

  /** Keeps an integer. JSON's readers are exact up to 2^53. */
  export function setInteger(key: string, value: i64): Problem | null {
    return set(key, decimal(value));
  }

  /** Takes a key away (`delete`, a reserved word here). Gives whether there was such a one. */
  export function remove(key: string): Result<bool> {
    return flagIn(hostDelete(key), "state.delete");
  }
}
