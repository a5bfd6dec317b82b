// The twin of ../../calling-ts/provider.ts: sends the HTTP request that is its input, and returns what came back.
// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function send(request: string): string;

export function invoke(operation: string, input: string): string {
  return send(input);
}
