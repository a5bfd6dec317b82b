/** Patterns of event types, by their tokens. */

/** Whether they stand for more than the type that they spell. */
export function isPattern(tokens: readonly string[]): boolean {
  return tokens.includes('*') || tokens.at(-1) === '>';
}

/** As subjects of NATS match: `*` is one token, a final `>` one or more. */
export function matchesTokens(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [at, expected] of pattern.entries()) {
    if (expected === '>') return tokens.length > at;
    const token = tokens[at];
    if (token === undefined || (expected !== '*' && expected !== token)) return false;
  }
  return pattern.length === tokens.length;
}
