import * as z from 'zod';
import { isReservedType } from '../event/names.ts';
import { fault, text } from '../written/readers.ts';

const MAX_PATTERNS = 100;
const TOKEN = /^(?:[a-z0-9_-]+|\*)$/;

/** Event types that a grant names, as patterns: `*` is one token, a final `>` the rest. */
export const eventTypesShape = z
  .array(
    text('an event type such as "order.created", "order.*" or "order.>"', (pattern) =>
      isPattern(pattern) ? pattern : undefined,
    ),
    { error: (issue) => fault('a list of event types', issue.input) },
  )
  .superRefine((patterns, context) => {
    for (const [at, pattern] of patterns.entries()) {
      if (!isReservedType(pattern)) continue;
      const message = 'Types that begin with "host." are the host\'s own; nobody is granted them.';
      context.addIssue({ code: 'custom', path: [at], message });
    }
  })
  .max(MAX_PATTERNS, { error: `At most ${MAX_PATTERNS} event types were expected.` });

function isPattern(text: string): boolean {
  const tokens = text.split('.');
  return tokens.every((token, at) => TOKEN.test(token) || (token === '>' && at === tokens.length - 1));
}

/** No pattern matches nothing. */
export function matchesEventType(patterns: readonly string[], type: string): boolean {
  const tokens = type.split('.');
  return patterns.some((pattern) => matches(pattern.split('.'), tokens));
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [at, expected] of pattern.entries()) {
    if (expected === '>') return tokens.length > at;
    const token = tokens[at];
    if (token === undefined || (expected !== '*' && expected !== token)) return false;
  }
  return pattern.length === tokens.length;
}
