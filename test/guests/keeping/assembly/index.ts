// The twin of ../keeping-ts/provider.ts: does one host call, or many, and gives back the host's answer as JSON:
// `{"ok":…}` or `{"err":{…}}`. What to do stands in the request's body, or is the operation's input: lines of text.
import { IngestRequest, outcome, Response, unquote } from "gtpack";

// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "get")
declare function get(key: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "set")
declare function set(key: string, value: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/state@0.1.0", "delete")
declare function remove(key: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/timers@0.1.0", "set")
declare function setTimer(timer: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/timers@0.1.0", "clear")
declare function clearTimer(id: string): string;

function act(text: string): string {
  const lines = text.split("\n");
  const fn = lines[0];
  const first = lines.length > 1 ? lines[1] : "";
  const second = lines.length > 2 ? lines[2] : "";
  if (fn == "get") return get(first);
  if (fn == "set") return set(first, second);
  if (fn == "delete") return remove(first);
  if (fn == "timer") return setTimer(first);
  if (fn == "clear") return clearTimer(first);
  // As many as a call may, up to the first refusal; # stands for the number.
  let answer = "";
  for (let n = 0; n < 60 && !answer.startsWith('{"err"'); n++) {
    answer = fn == "fill" ? set(first.replace("#", n.toString()), second) : setTimer(first.replace("#", n.toString()));
  }
  return answer;
}

export function ingest(text: string): string {
  return outcome([], new Response(200, act(new IngestRequest(text).body)));
}

export function invoke(operation: string, input: string): string {
  return '{"ok":' + act(unquote(input)) + "}";
}
