import * as z from 'zod';
import type { StatusRange } from './flow.ts';

const FORM = 'A status from 200 to 599, a class such as "2xx", or a list of them was expected.';
const CLASS = /^([2-5])xx$/;
const MAX_ENTRIES = 20;

/** `expect` of an `http` node: `201`, `"2xx"`, `[200, 404, "5xx"]`. */
export const expectShape = z.unknown().transform((written, context): readonly StatusRange[] => {
  const entries = Array.isArray(written) ? written : [written];
  const ranges = entries.flatMap((entry) => rangeOf(entry) ?? []);
  if (entries.length > 0 && entries.length <= MAX_ENTRIES && ranges.length === entries.length) return ranges;
  context.addIssue({ code: 'custom', message: FORM, input: written });
  return z.NEVER;
});

function rangeOf(entry: unknown): StatusRange | undefined {
  if (typeof entry === 'number') {
    return Number.isInteger(entry) && entry >= 200 && entry <= 599 ? { from: entry, to: entry } : undefined;
  }
  const first = typeof entry === 'string' ? Number(CLASS.exec(entry)?.[1]) * 100 : Number.NaN;
  return Number.isNaN(first) ? undefined : { from: first, to: first + 99 };
}
