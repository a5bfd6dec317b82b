import * as z from 'zod';
import { quoted } from '../event/names.ts';
import { closedObject } from '../yaml.ts';
import { DURATION, formatDuration, parseDurationMs } from './duration.ts';
import { formatSize, parseSizeBytes, SIZE } from './size.ts';

/** Schemas of the values that people write, with messages that say what was expected and what came. */

/** A mapping with these keys and no others. */
export function mapping<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  const closed = closedObject(shape);
  const error = closed.def.error as z.core.$ZodErrorMap | undefined;
  return closed.clone({
    ...closed.def,
    error: (issue: z.core.$ZodRawIssue) =>
      issue.code === 'invalid_type' ? fault('a mapping', issue.input) : error?.(issue),
  });
}

/**
 * A text that `read` understands, or a reason why it does not; undefined says no more than what was expected.
 * @param pattern for the JSON Schema, which knows no more of it
 */
export function text<T>(
  expected: string,
  read: (text: string) => T | Fault | undefined,
  pattern?: string,
): z.ZodType<T> {
  const error = (issue: { readonly input?: unknown }) => fault(expected, issue.input);
  const description = expected.replace(/,$/, '');
  const written = z.string({ error }).meta({ description, ...(pattern === undefined ? {} : { pattern }) });
  return written.transform((value, context) => {
    const result = read(value);
    if (result !== undefined && !(result instanceof Fault)) return result;
    const message = result instanceof Fault ? result.message : fault(expected, value);
    context.addIssue({ code: 'custom', message, input: value });
    return z.NEVER;
  });
}

/** Why a text is refused, where more can be said than what was expected. */
export class Fault {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export function fault(expected: string, input: unknown): string {
  return `${expected} was expected; ${came(input)}.`;
}

function came(input: unknown): string {
  if (input === undefined) return 'nothing came';
  if (typeof input === 'string') return `${quoted(input)} came`;
  if (Array.isArray(input)) return 'a list came';
  return typeof input === 'object' && input !== null ? 'a mapping came' : `${String(input)} came`;
}

export function duration(minMs: number, maxMs: number): z.ZodType<number> {
  const expected = `a duration from "${formatDuration(minMs)}" to "${formatDuration(maxMs)}", a whole number with ms, s, m, h or d,`;
  return text(expected, (value) => within(parseDurationMs(value), minMs, maxMs), DURATION.source);
}

export function size(minBytes: number, maxBytes: number): z.ZodType<number> {
  const expected = `a size from "${formatSize(minBytes)}" to "${formatSize(maxBytes)}", a whole number with B, KiB, MiB or GiB,`;
  return text(expected, (value) => within(parseSizeBytes(value), minBytes, maxBytes), SIZE.source);
}

export function count(min: number, max: number): z.ZodType<number> {
  const error = (issue: { readonly input?: unknown }) =>
    fault(`a whole number from ${min} to ${max}`, issue.input);
  return z.int({ error }).min(min, { error }).max(max, { error });
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

export function path(what: string): z.ZodType<string> {
  return text(what, (value) => (value === '' || value.includes('\0') ? undefined : value));
}
