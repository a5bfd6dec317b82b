import * as z from 'zod';
import { closedObject } from '../yaml.ts';

/** Event types that a provider may publish, as patterns: `*` is one token, a final `>` the rest. */
export interface PublishGrant {
  readonly publish: readonly string[];
}

const MAX_PATTERNS = 100;
const TOKEN = /^(?:[a-z0-9_-]+|\*)$/;

export const publishGrantShape = closedObject({
  publish: z
    .array(
      z.string().refine(isPattern, {
        error: 'An event type was expected, such as "order.created", "order.*" or "order.>".',
      }),
    )
    .max(MAX_PATTERNS),
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
