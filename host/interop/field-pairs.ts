/** Of one request or one line; the guest's lists are as long as it likes. */
export const MAX_PAIRS = 256;

/** The first of a `list<tuple<string, string>>`, as the glue gives it. */
export function pairsOf(value: unknown): [string, string][] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_PAIRS).map((pair: unknown) => {
    const [name, text] = pair as [unknown, unknown];
    return [String(name), String(text)];
  });
}
