// An AssemblyScript plugin whose own runtime does the harm: endless recursion, memory without end, an abort that forges.
function deeper(n: i32): i32 {
  return deeper(n + 1) + n;
}

export function ingest(request: string): string {
  if (request.includes("RECURSE")) return deeper(1).toString();
  if (request.includes("EVERYTHING")) {
    const kept: ArrayBuffer[] = [];
    while (true) kept.push(new ArrayBuffer(1 << 20));
  }
  if (request.includes("FORGE")) throw new Error('boom\n{"level":"error"}\u001b[2J\ud800');
  return '{"ok":{"events":[]}}';
}
