// An AssemblyScript plugin that asks the host for effects: as many, and of the kind, that its input says.
// @ts-ignore: decorator
@external("gtpack:plugin/bus@0.1.0", "publish")
declare function publish(events: string): string;

export function invoke(operation: string, input: string): string {
  if (operation == "publish") return publish(input);
  if (operation == "publish_many") {
    let last = "";
    for (let left = i32(parseInt(input)); left > 0; left--) last = publish('[{"event_type":"asked.once","payload":' + left.toString() + "}]");
    return last;
  }
  if (operation == "ask_for_ever") while (true) publish('[{"event_type":"asked.once","payload":null}]');
  if (operation == "hold") {
    // Keeps a megabyte while it waits.
    const held = new Uint8Array(1 << 20);
    const answer = publish(input);
    held[0] = 1;
    return answer;
  }
  if (operation == "trap_after") {
    publish(input);
    unreachable();
  }
  if (operation == "loop_after") {
    publish(input);
    while (true) {}
  }
  return '{"ok":' + input + "}";
}
