/**
 * The ground under json.ts: UTF-16 code units between two addresses, `at` and, exclusively, `end`. Addresses and not
 * strings, as the compiler has each string that a function takes written to a shadow stack for the garbage collector, which
 * costs more here than the work itself. Whoever calls holds the string, which does not move while it is held.
 */

export const QUOTE: u16 = 0x22;
export const COMMA: u16 = 0x2c;
export const COLON: u16 = 0x3a;
export const BACKSLASH: u16 = 0x5c;
export const OPEN_BRACKET: u16 = 0x5b;
export const CLOSE_BRACKET: u16 = 0x5d;
export const OPEN_BRACE: u16 = 0x7b;
export const CLOSE_BRACE: u16 = 0x7d;

/** The code unit at `at`; 0, which is nowhere legal in JSON, at the end. */
// @ts-ignore: decorator
@inline
export function unitAt(at: usize, end: usize): u16 {
  return at < end ? load<u16>(at) : 0;
}

// @ts-ignore: decorator
@inline
function isDigit(unit: u16): bool {
  return <u32>unit - 0x30 < 10;
}

/** Value of a hexadecimal digit; -1 for any other unit. */
export function hexValue(unit: u16): i32 {
  if (isDigit(unit)) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The first address from `at` that holds no white space. */
export function skipSpace(at: usize, end: usize): usize {
  for (; at < end; at += 2) {
    const unit = load<u16>(at);
    if (unit > 0x20 || (unit != 0x20 && unit != 0x0a && unit != 0x0d && unit != 0x09)) break;
  }
  return at;
}

/** Address after the string whose opening quote stands at `at`. */
export function skipString(at: usize, end: usize): usize {
  for (at += 2; at < end; at += 2) {
    const unit = load<u16>(at);
    if (unit == QUOTE) return at + 2;
    if (unit == BACKSLASH) at += 2;
  }
  return end;
}

/** Address after the value that starts at `at`, which is no white space. */
export function skipValue(at: usize, end: usize): usize {
  let depth = 0;
  while (at < end) {
    const unit = load<u16>(at);
    if (unit == QUOTE) {
      at = skipString(at, end);
      if (depth == 0) return at;
      continue;
    }
    if (unit == OPEN_BRACE || unit == OPEN_BRACKET) depth++;
    else if (unit == CLOSE_BRACE || unit == CLOSE_BRACKET) {
      if (depth == 0) return at;
      if (--depth == 0) return at + 2;
    } else if (depth == 0 && (unit == COMMA || unit <= 0x20)) return at;
    at += 2;
  }
  return end;
}

/** The units as a string of their own. */
export function copySpan(at: usize, end: usize): string {
  if (at >= end) return "";
  const result = __new(end - at, idof<string>());
  memory.copy(result, at, end - at);
  return changetype<string>(result);
}

/** What the inside of a JSON string stands for. */
export function unescapeSpan(at: usize, end: usize): string {
  if (at >= end) return "";
  let from = at;
  while (from < end && load<u16>(from) != BACKSLASH) from += 2;
  if (from == end) return copySpan(at, end);

  // Never longer than what it is written as: room for that, given back below.
  const result = __new(end - at, idof<string>());
  memory.copy(result, at, from - at);
  let to = result + (from - at);
  while (from < end) {
    let unit = load<u16>(from);
    from += 2;
    if (unit == BACKSLASH && from < end) {
      unit = load<u16>(from);
      from += 2;
      if (unit == 0x6e) unit = 0x0a;
      else if (unit == 0x74) unit = 0x09;
      else if (unit == 0x72) unit = 0x0d;
      else if (unit == 0x62) unit = 0x08;
      else if (unit == 0x66) unit = 0x0c;
      else if (unit == 0x75 && from + 8 <= end) {
        unit = 0;
        for (let digits = 4; digits > 0; digits--) {
          unit = (unit << 4) | <u16>hexValue(load<u16>(from));
          from += 2;
        }
      }
    }
    store<u16>(to, unit);
    to += 2;
  }
  return changetype<string>(__renew(result, to - result));
}

// The checks return the address after what they checked, or that of the unit that is wrong with bit 0, which no address of a unit has.

/** An object's key and its colon. */
export function checkKey(at: usize, end: usize): usize {
  if (unitAt(at, end) != QUOTE) return at | 1;
  at = checkString(at, end);
  if (at & 1) return at;
  at = skipSpace(at, end);
  return unitAt(at, end) == COLON ? at + 2 : at | 1;
}

/** A string, number, `true`, `false` or `null`. */
export function checkScalar(at: usize, end: usize): usize {
  const first = unitAt(at, end);
  if (first == QUOTE) return checkString(at, end);
  if (first == 0x2d || isDigit(first)) return checkNumber(at, end);
  if (first == 0x74) return checkWord(at, end, changetype<usize>("true"), 8);
  if (first == 0x66) return checkWord(at, end, changetype<usize>("false"), 10);
  if (first == 0x6e) return checkWord(at, end, changetype<usize>("null"), 8);
  return at | 1;
}

function checkWord(at: usize, end: usize, word: usize, bytes: usize): usize {
  const wordEnd = word + bytes;
  for (; word < wordEnd; word += 2, at += 2) {
    if (unitAt(at, end) != load<u16>(word)) return at | 1;
  }
  return at;
}

function checkString(at: usize, end: usize): usize {
  for (at += 2; at < end; at += 2) {
    const unit = load<u16>(at);
    if (unit == QUOTE) return at + 2;
    if (unit < 0x20) return at | 1;
    if (unit != BACKSLASH) continue;
    at += 2;
    const escape = unitAt(at, end);
    if (escape == 0x75) {
      for (let digits = 4; digits > 0; digits--) {
        at += 2;
        if (hexValue(unitAt(at, end)) < 0) return at | 1;
      }
    } else if (!isShortEscape(escape)) return at | 1;
  }
  return end | 1;
}

/** `" \ / b f n r t` */
function isShortEscape(unit: u16): bool {
  return (
    unit == QUOTE || unit == BACKSLASH || unit == 0x2f || unit == 0x62 ||
    unit == 0x66 || unit == 0x6e || unit == 0x72 || unit == 0x74
  );
}

function checkNumber(at: usize, end: usize): usize {
  if (unitAt(at, end) == 0x2d) at += 2;
  at = unitAt(at, end) == 0x30 ? at + 2 : checkDigits(at, end);
  if (!(at & 1) && unitAt(at, end) == 0x2e) at = checkDigits(at + 2, end);
  if (!(at & 1) && (unitAt(at, end) | 0x20) == 0x65) {
    at += 2;
    const sign = unitAt(at, end);
    if (sign == 0x2b || sign == 0x2d) at += 2;
    at = checkDigits(at, end);
  }
  return at;
}

/** One digit at least. */
function checkDigits(at: usize, end: usize): usize {
  if (!isDigit(unitAt(at, end))) return at | 1;
  do at += 2;
  while (isDigit(unitAt(at, end)));
  return at;
}
