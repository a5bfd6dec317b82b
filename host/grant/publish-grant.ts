import * as z from 'zod';
import { fault, mapping, text } from '../written/readers.ts';

/** Event types that a provider may publish, as patterns: `*` is one token, a final `>` the rest. */
export interface PublishGrant {
  readonly publish: readonly string[];
}

const MAX_PATTERNS = 100;
const TOKEN = /^(?:[a-z0-9_-]+|\*)$/;

export const publishGrantShape = mapping({
  publish: z
    .array(
      text('an event type such as "order.created", "order.*" or "order.>"', (pattern) =>
        isPattern(pattern) ? pattern : undefined,
      ),
      { error: (issue) => fault('a list of event types', issue.input) },
    )
    .max(MAX_PATTERNS, { error: `At most ${MAX_PATTERNS} event types were expected.` }),
});

function isPattern(text: string): boolean {
  const tokens = text.split('.');
  return tokens.every((token, at) => TOKEN.test(token) || (token === '>' && at === tokens.length - 1));
}

/** No grant allows nothing. */
export function allowsPublishing(grant: PublishGrant | null, type: string): boolean {
  if (grant === null) return false;
  const tokens = type.split('.');
  return grant.publish.some((pattern) => matches(pattern.split('.'), tokens));
}

function matches(pattern: readonly string[], tokens: readonly string[]): boolean {
  for (const [at, expected] of pattern.entries()) {
    if (expected === '>') return tokens.length > at;
    const token = tokens[at];
    if (token === undefined || (expected !== '*' && expected !== token)) return false;
  }
  return pattern.length === tokens.length;
}
