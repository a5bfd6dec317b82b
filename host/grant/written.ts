import * as z from 'zod';
import { quoted } from '../event/names.ts';

/** Schemas of the values that people write in a grant, with messages that say what was expected and what came. */

/** A text that `read` understands, or a reason why it does not; undefined says no more than what was expected. */
export function text<T>(expected: string, read: (text: string) => T | Fault | undefined): z.ZodType<T> {
  return z.string({ error: (issue) => fault(expected, issue.input) }).transform((value, context) => {
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

export function count(min: number, max: number): z.ZodType<number> {
  const error = (issue: { readonly input?: unknown }) =>
    fault(`a whole number from ${min} to ${max}`, issue.input);
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** Milliseconds of a text such as `250ms`, `10s` or `5m`. */
export function duration(min: string, max: string): z.ZodType<number> {
  const expected = `a duration from "${min}" to "${max}", a whole number with ms, s or m,`;
  return measured(expected, DURATION_UNITS, min, max);
}

/** Bytes of a text such as `512B`, `256KiB` or `1MiB`. */
export function size(min: string, max: string): z.ZodType<number> {
  const expected = `a size from "${min}" to "${max}", a whole number with B, KiB or MiB,`;
  return measured(expected, SIZE_UNITS, min, max);
}

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
]);
const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
]);
const MEASURE = /^(\d{1,12})([A-Za-z]{1,3})$/;

function measured(
  expected: string,
  units: ReadonlyMap<string, number>,
  min: string,
  max: string,
): z.ZodType<number> {
  const read = (written: string): number | undefined => {
    const [, digits, unit] = MEASURE.exec(written) ?? [];
    const factor = units.get(unit ?? '');
    return factor === undefined ? undefined : Number(digits) * factor;
  };
  const lowest = read(min) ?? 0;
  const highest = read(max) ?? 0;
  return text(expected, (written) => {
    const value = read(written);
    return value !== undefined && value >= lowest && value <= highest ? value : undefined;
  });
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
