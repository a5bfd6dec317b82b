// An AssemblyScript plugin that never comes to its exports: the initializer of a global takes for ever.
function spin(): i32 {
  while (true) {}
  return 0;
}

const never: i32 = spin();

export function ingest(request: string): string {
  return '{"ok":{"events":[{"payload":' + never.toString() + "}]}}";
}
