import { unquote } from "./json";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";

// @ts-ignore: decorator
@external("gtpack:plugin/secrets@0.1.0", "get")
declare function hostGet(name: string): string;

// @ts-ignore: decorator
@lazy
const GET = "secrets.get";

/** Secrets that the bundle grants by name. Where the host can attach one itself (`auth` of the grant `http`), it need not be read. */
export namespace secrets {
  /** The secret's text; a name that is not granted is problem `capability_denied`, whether it exists or not. */
  export function get(name: string): Result<string> {
    const envelope = hostGet(name);
    const failure = problemIn(envelope, GET);
    if (failure !== null) return failed<string>(failure);
    const json = okIn(envelope);
    return json.charCodeAt(0) == QUOTE ? succeeded<string>(unquote(json)) : failed<string>(wrongAnswer(GET));
  }
}
