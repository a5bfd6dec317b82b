/** Names are lower-case everywhere in this folder. */
export type Header = readonly [name: string, value: string];

/** Meant for the next hop only (RFC 9110, section 7.6.1), so they say nothing to a guest. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function valuesOf(headers: readonly Header[], wanted: string): string[] {
  return headers.filter(([name]) => name === wanted).map(([, value]) => value);
}

/** Without what is meant for the host itself, the names in `Connection` included. */
export function endToEnd(headers: readonly Header[]): Header[] {
  const named = new Set(
    valuesOf(headers, 'connection').flatMap((value) =>
      value.split(',').map((option) => option.trim().toLowerCase()),
    ),
  );
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name));
}

/** As sdk/wit has it: one text a name, repeated ones joined. */
export function joined(headers: readonly Header[]): { [name: string]: string } {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  return Object.fromEntries([...byName].map(([name, values]) => [name, values.join(', ')]));
}
