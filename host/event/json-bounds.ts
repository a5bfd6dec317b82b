import { Buffer } from 'node:buffer';
import { GtpackError } from '../errors.ts';
import type { Json } from './json.ts';
import { jsonFault } from './json-fault.ts';

/** What a JSON text may cost whoever parses it. */
export interface JsonBounds {
  /** Of the text as UTF-8. */
  readonly maxBytes: number;
  /** Objects and arrays around a value; a lone object is 1 deep, a lone scalar 0. */
  readonly maxDepth: number;
  /** Objects, arrays and scalars together; keys are part of their object. */
  readonly maxElements: number;
}

/** The bounds of one event, taken from the host's or a cell's limits. */
export function eventBounds(limits: {
  readonly maxEventBytes: number;
  readonly maxJsonDepth: number;
  readonly maxJsonElements: number;
}): JsonBounds {
  return {
    maxBytes: limits.maxEventBytes,
    maxDepth: limits.maxJsonDepth,
    maxElements: limits.maxJsonElements,
  };
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
/** Makes a brace of a bracket, in either direction, and nothing else. */
const CASE_BIT = 32;
const SPACE = 32;

/** Up to here a loop beats the call into `indexOf`. */
const SHORT_STRING = 24;

/**
 * Refuses a JSON text that would cost too much to parse, in one pass that allocates nothing.
 *
 * It does not check the grammar. What it counts is right for every text that a parser accepts, and for the part of
 * any other that a parser reads before it gives up: a value is the first, or follows a comma, or is the first in its
 * container. So nothing that is built while parsing goes uncounted.
 *
 * @param what begins the message: `The body`, `The event`
 * @throws GtpackError `json_too_large`, `json_too_deep`, `json_too_many_elements`
 */
export function checkJsonBounds(text: string, bounds: JsonBounds, what = 'The JSON text'): void {
  checkSize(text, bounds.maxBytes, what);
  const { maxDepth, maxElements } = bounds;
  if (isPlainlyWithin(text, maxDepth, maxElements)) return;
  let depth = 0;
  let elements = 1;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = stringEnd(text, at);
    } else if (unit === COMMA) {
      elements += 1;
      if (elements > maxElements) throw tooManyElements(maxElements, what);
    } else if ((unit | CASE_BIT) === OPEN_BRACE) {
      depth += 1;
      if (depth > maxDepth) throw tooDeep(maxDepth, what);
      at = lastSpace(text, at);
      if ((text.charCodeAt(at + 1) | CASE_BIT) !== CLOSE_BRACE) elements += 1;
      if (elements > maxElements) throw tooManyElements(maxElements, what);
    } else if ((unit | CASE_BIT) === CLOSE_BRACE) {
      depth -= 1;
    }
  }
}

/**
 * Most texts need no reading: n characters begin at most n values, and what opens at most k containers nests at most k
 * deep. Brackets inside of strings only make it careful.
 */
function isPlainlyWithin(text: string, maxDepth: number, maxElements: number): boolean {
  if (text.length > maxElements) return false;
  let opened = 0;
  for (const bracket of '{[') {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      opened += 1;
      if (opened > maxDepth) return false;
    }
  }
  return true;
}

/** Index of the last of the whitespace that follows `at`, or `at`. */
function lastSpace(text: string, at: number): number {
  let last = at;
  while (text.charCodeAt(last + 1) <= SPACE) last += 1;
  return last;
}

function checkSize(text: string, maxBytes: number, what: string): void {
  // A code unit takes one to three bytes, so most texts need no counting.
  if (text.length * 3 <= maxBytes) return;
  const bytes = text.length > maxBytes ? text.length : Buffer.byteLength(text, 'utf8');
  if (bytes <= maxBytes) return;
  const atLeast = text.length > maxBytes ? 'at least ' : '';
  throw new GtpackError(
    'json_too_large',
    `${what} is ${atLeast}${bytes} bytes long; at most ${maxBytes} are allowed.`,
  );
}

function tooDeep(maxDepth: number, what: string): GtpackError {
  return new GtpackError(
    'json_too_deep',
    `${what} nests objects and arrays more than ${maxDepth} deep, which is the most that is allowed.`,
  );
}

function tooManyElements(maxElements: number, what: string): GtpackError {
  return new GtpackError(
    'json_too_many_elements',
    `${what} holds more than ${maxElements} objects, arrays and scalars, which is the most that is allowed.`,
  );
}

/** Index of the quote that closes the string opened at `start`, or the last index of a text that ends before it. */
function stringEnd(text: string, start: number): number {
  const shortEnd = Math.min(text.length, start + SHORT_STRING);
  let at = start + 1;
  for (; at < shortEnd; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) return at;
    if (unit === BACKSLASH) at += 1;
  }
  // An escape may have carried `at` one past the short part; its second unit is never looked at again.
  let from = at;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length - 1;
    let backslashes = 0;
    while (quote - backslashes > from && text.charCodeAt(quote - backslashes - 1) === BACKSLASH) {
      backslashes += 1;
    }
    if (backslashes % 2 === 0) return quote;
    from = quote + 1;
  }
}

/**
 * Parses JSON whose cost was bounded first.
 *
 * The value is what `JSON.parse` gives: a `__proto__` key is an own property (copy with spread or `Object.entries`,
 * never by assignment), numbers past the double range are infinite and become null when written again, and lone
 * surrogates stay in strings (`JSON.stringify` writes them as escapes, so texts that reach storage are well-formed).
 *
 * @param what begins the message: `The body`, `The event`
 * @throws GtpackError as `checkJsonBounds`, and `json_invalid` with the place of the fault
 */
export function parseBoundedJson(text: string, bounds: JsonBounds, what = 'The JSON text'): Json {
  checkJsonBounds(text, bounds, what);
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new GtpackError('json_invalid', `${what} is not JSON: ${jsonFault(text)}.`, { cause: error });
  }
}
