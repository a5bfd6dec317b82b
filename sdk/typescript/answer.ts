import { ProviderProblem, problemOf } from './problem.ts';
import type { Json } from './types.ts';

/**
 * Calls a function of the host. @returns its answer, parsed
 * @throws ProviderProblem what the host refused with
 */
export function ask(call: () => string): Json {
  let answer: string;
  try {
    answer = call();
  } catch (thrown) {
    const problem = problemOf(thrown);
    if (problem === undefined) throw thrown;
    throw new ProviderProblem(problem.code, problem.message, { retryable: problem.retryable });
  }
  return JSON.parse(answer);
}

/** For an answer that is not what sdk/wit says of the function. */
export function wrongAnswer(fn: string): ProviderProblem {
  return new ProviderProblem(
    'host_answer_invalid',
    `${fn}: the host's answer is not what the contract says.`,
  );
}

/** A member of an object; undefined where there is none, or no object. */
export function member(json: Json, key: string): Json | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as Readonly<Record<string, Json>>)[key]
    : undefined;
}

/** The answer of a function that gives `true` or `false`. */
export function askFlag(fn: string, call: () => string): boolean {
  const answer = ask(call);
  if (typeof answer !== 'boolean') throw wrongAnswer(fn);
  return answer;
}

/**
 * JSON text of what is passed to the host.
 * @throws TypeError for what has none, such as a function: types rule it out, and storing something else in its place would hide it
 */
export function toJson(value: unknown, what: string): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError(`${what}: JSON was expected; ${typeof value} came.`);
  return json;
}

/**
 * A text that crosses as it is and not as JSON.
 * @throws ProviderProblem of that code for half a surrogate pair, on which the engine would end; the host refuses it likewise
 */
export function whole(text: string, code: string, what: string): string {
  if (text.isWellFormed()) return text;
  throw new ProviderProblem(code, `${what}: Unicode text was expected; half of a surrogate pair came.`);
}
