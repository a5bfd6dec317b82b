// A plugin whose operations are called by flows; the one that lies in its pack sends a request of its own.
import { ok, problem } from "gtpack";

// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function send(request: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/bus@0.1.0", "publish")
declare function publish(events: string): string;

export function invoke(operation: string, input: string): string {
  if (operation == "send") return send(input);
  if (operation == "tell") return publish("[" + input + "]");
  if (operation == "echo") return ok(input);
  if (operation == "fail") return problem("asked_to_fail", "It was asked to fail.", false);
  if (operation == "trap") unreachable();
  return problem("operation_unknown", "There is no such operation.", false);
}
