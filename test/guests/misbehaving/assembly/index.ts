// An AssemblyScript plugin that does what its request's body asks for.
// @ts-expect-error: decorator
@external("gtpack:plugin/log@0.1.0", "write")
declare function write(level: string, message: string): void;
// @ts-expect-error: decorator
@external("gtpack:plugin/config@0.1.0", "get")
declare function config(): string;

let calls = 0;

export function ingest(request: string): string {
  calls += 1;
  if (request.includes("LOOP")) while (true) {}
  if (request.includes("TRAP")) assert(false, "boom");
  if (request.includes("DEEP")) return '{"ok":' + "[".repeat(500) + "]".repeat(500) + "}";
  if (request.includes("GARBAGE")) return "garbage";
  if (request.includes("UNKNOWN_KEY")) return '{"ok":{"evnts":[]}}';
  if (request.includes("MANY")) return '{"ok":{"events":[' + '{"payload":1},'.repeat(10000) + '{"payload":1}]}}';
  if (request.includes("LOG_FLOOD")) for (let i = 0; i < 1000; i++) write("info", "line " + i.toString());
  if (request.includes("LIE")) {
    // A string whose header claims 1 GiB.
    const text = "short";
    const pointer = changetype<usize>(text);
    store<u32>(pointer - 4, 0x40000000);
    return text;
  }
  if (request.includes("PROBLEM")) return '{"err":{"code":"not_today","message":"No.","retryable":true}}';
  return '{"ok":{"events":[{"payload":{"calls":' + calls.toString() + ',"config":' + config() + "}}]}}";
}

export function invoke(operation: string, input: string): string {
  return operation == "echo" ? '{"ok":' + input + "}" : '{"err":{"code":"unknown_operation","message":"No.","retryable":false}}';
}
