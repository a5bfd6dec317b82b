/**
 * JSON without a tree: a walk over an object's members, a strict validator, and a writer. Nothing here recurses, and a walk
 * allocates nothing but what is asked for.
 *
 * The walkers and `field` trust their text: use them on what the host gave, or on what `jsonFault` found good. On a text that
 * is not JSON they end early, and never read past its end.
 */
import {
  BACKSLASH,
  checkKey,
  checkScalar,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  copySpan,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipSpace,
  skipString,
  skipValue,
  unescapeSpan,
  unitAt,
} from "./scan";
import { decimal } from "./text";

/** Containers may be nested this deep; the host allows no more. */
export const MAX_JSON_DEPTH: i32 = 64;

/**
 * Goes through an object's members in order:
 *
 *     const walker = new ObjectWalker(text);
 *     while (walker.next()) if (walker.keyIs("body")) body = unquote(walker.raw());
 */
export class ObjectWalker {
  private at: usize;
  private end: usize;
  private keyStart: usize = 0;
  private keyEnd: usize = 0;
  private valueStart: usize = 0;
  private valueEnd: usize = 0;

  /** `from`: index of the object's `{`, white space before it allowed. A text that is no object has no members. */
  constructor(private text: string, from: i32 = 0) {
    const start = changetype<usize>(text);
    const end = start + (<usize>text.length << 1);
    const at = skipSpace(start + (<usize>from << 1), end);
    this.at = unitAt(at, end) == OPEN_BRACE ? at + 2 : end;
    this.end = end;
  }

  /** Moves to the next member; false after the last one. */
  next(): bool {
    const end = this.end;
    let at = skipSpace(this.at, end);
    if (unitAt(at, end) == COMMA) at = skipSpace(at + 2, end);
    if (unitAt(at, end) != QUOTE) return false;
    this.keyStart = at + 2;
    at = skipString(at, end);
    this.keyEnd = at - 2;
    at = skipSpace(at, end);
    if (unitAt(at, end) != COLON) return false;
    at = skipSpace(at + 2, end);
    this.valueStart = at;
    at = skipValue(at, end);
    this.valueEnd = at;
    this.at = at;
    return true;
  }

  /** Whether the current key is `name`. Allocates only for a key that is written with escapes. */
  keyIs(name: string): bool {
    let at = this.keyStart;
    const end = this.keyEnd;
    let expected = changetype<usize>(name);
    const expectedEnd = expected + (<usize>name.length << 1);
    for (; at < end; at += 2, expected += 2) {
      const unit = load<u16>(at);
      if (unit == BACKSLASH) return this.key() == name;
      if (unit != unitAt(expected, expectedEnd)) return false;
    }
    return expected == expectedEnd;
  }

  /** The current key, unescaped. */
  key(): string {
    return unescapeSpan(this.keyStart, this.keyEnd);
  }

  /** The current value as it stands in the text. */
  raw(): string {
    return copySpan(this.valueStart, this.valueEnd);
  }

  /** What the current value stands for if it is a string; null for anything else. */
  textValue(): string | null {
    const start = this.valueStart;
    return unitAt(start, this.valueEnd) == QUOTE ? unescapeSpan(start + 2, this.valueEnd - 2) : null;
  }

  /** Index in the text at which the current value starts. */
  get start(): i32 {
    return <i32>((this.valueStart - changetype<usize>(this.text)) >> 1);
  }

  /** Index in the text after the current value. */
  get stop(): i32 {
    return <i32>((this.valueEnd - changetype<usize>(this.text)) >> 1);
  }
}

/** Goes through an array's elements in order, as `ObjectWalker` does through members. */
export class ArrayWalker {
  private at: usize;
  private end: usize;
  private valueStart: usize = 0;

  constructor(private text: string) {
    const start = changetype<usize>(text);
    const end = start + (<usize>text.length << 1);
    const at = skipSpace(start, end);
    this.at = unitAt(at, end) == OPEN_BRACKET ? at + 2 : end;
    this.end = end;
  }

  /** Moves to the next element; false after the last one. */
  next(): bool {
    const end = this.end;
    let at = skipSpace(this.at, end);
    if (unitAt(at, end) == COMMA) at = skipSpace(at + 2, end);
    this.valueStart = at;
    this.at = skipValue(at, end);
    return this.at > at;
  }

  /** The current element as it stands in the text. */
  raw(): string {
    return copySpan(this.valueStart, this.at);
  }
}

/** The value of an object's member as it stands in the text, or null where there is none. Of equal keys the first counts. */
export function field(text: string, name: string): string | null {
  const walker = new ObjectWalker(text);
  while (walker.next()) {
    if (walker.keyIs(name)) return walker.raw();
  }
  return null;
}

/** A member that is a string, unescaped; null where there is none or it is something else. */
export function textField(text: string, name: string): string | null {
  const walker = new ObjectWalker(text);
  while (walker.next()) {
    if (walker.keyIs(name)) return walker.textValue();
  }
  return null;
}

/** What a JSON string stands for. `raw` includes the quotes. */
export function unquote(raw: string): string {
  const start = changetype<usize>(raw);
  return raw.length < 2 ? "" : unescapeSpan(start + 2, start + (<usize>raw.length << 1) - 2);
}

/** What is wrong with a text that is not JSON. */
export class JsonFault {
  /** `position`: index of the first code unit that is wrong; the text's length where it ends early. */
  constructor(public position: i32, public isTooDeep: bool) {}
}

/** Whether a text is one JSON value by the grammar of RFC 8259, at most 64 containers deep. */
export function isValidJson(text: string): bool {
  const start = changetype<usize>(text);
  return checkText(start, start + (<usize>text.length << 1)) == 0;
}

/** Null for a text that `isValidJson`. */
export function jsonFault(text: string): JsonFault | null {
  const start = changetype<usize>(text);
  const fault = checkText(start, start + (<usize>text.length << 1));
  if (fault == 0) return null;
  return new JsonFault(<i32>(((fault & ~1) - start) >> 1), (fault & 1) == 0);
}

/** 0 for JSON; else the address of the unit that is wrong, with bit 0 set unless it opens a container too many. */
function checkText(at: usize, end: usize): usize {
  // Bit n tells what container n is: 1 an object, 0 an array.
  let objects: u64 = 0;
  let depth = 0;
  while (true) {
    // A value is due.
    at = skipSpace(at, end);
    const unit = unitAt(at, end);
    if (unit == OPEN_BRACE || unit == OPEN_BRACKET) {
      if (depth == MAX_JSON_DEPTH) return at;
      const isObject = unit == OPEN_BRACE;
      at = skipSpace(at + 2, end);
      // A bracket closes at two units, a brace likewise, from the one that opens.
      if (unitAt(at, end) == unit + 2) at += 2;
      else {
        objects = (objects << 1) | <u64>isObject;
        depth++;
        if (isObject) {
          at = checkKey(at, end);
          if (at & 1) return at;
        }
        continue;
      }
    } else {
      at = checkScalar(at, end);
      if (at & 1) return at;
    }
    // A value has ended.
    while (true) {
      at = skipSpace(at, end);
      if (depth == 0) return at == end ? 0 : at | 1;
      const after = unitAt(at, end);
      const inObject = (objects & 1) != 0;
      if (after == COMMA) {
        at += 2;
        if (inObject) {
          at = checkKey(skipSpace(at, end), end);
          if (at & 1) return at;
        }
        break;
      }
      if (after != (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) return at | 1;
      at += 2;
      depth--;
      objects >>= 1;
    }
  }
}

/** A text as a JSON string, quotes included; lone surrogates are escaped, as `JSON.stringify` does. */
export function quote(text: string): string {
  const writer = new JsonWriter(text.length + 2);
  writer.text(text);
  return writer.toString();
}

/** Writes JSON into one growing text. What goes where is the caller's to get right. */
export class JsonWriter {
  private buffer: string = "";
  private capacity: i32 = 0;
  private length: i32 = 0;

  /** `capacity`: code units to make room for at first. */
  constructor(capacity: i32 = 256) {
    this.reserve(max(capacity, 16));
  }

  /** Adds JSON, or a part of it, as it stands. */
  raw(json: string): void {
    const units = json.length;
    this.reserve(units);
    memory.copy(this.end(), changetype<usize>(json), <usize>units << 1);
    this.length += units;
  }

  /** Adds a JSON string. */
  text(text: string): void {
    const units = text.length;
    this.reserve(units + 2);
    let to = this.end();
    store<u16>(to, QUOTE);
    to += 2;
    let from = changetype<usize>(text);
    const last = from + (<usize>units << 1);
    for (; from < last; from += 2) {
      const unit = load<u16>(from);
      if (unit >= 0x20 && unit != QUOTE && unit != BACKSLASH && (unit & 0xf800) != 0xd800) {
        store<u16>(to, unit);
        to += 2;
        continue;
      }
      if (unit >= 0xd800 && unit <= 0xdbff && from + 2 < last && (load<u16>(from + 2) & 0xfc00) == 0xdc00) {
        store<u16>(to, unit);
        from += 2;
        store<u16>(to + 2, load<u16>(from));
        to += 4;
        continue;
      }
      // Six units at most for one, and room for the rest of the text as it stands.
      this.length = <i32>((to - changetype<usize>(this.buffer)) >> 1);
      this.reserve(6 + <i32>((last - from) >> 1) + 1);
      to = writeEscape(this.end(), unit);
    }
    store<u16>(to, QUOTE);
    this.length = <i32>((to - changetype<usize>(this.buffer)) >> 1) + 1;
  }

  /** Adds an integer. */
  integer(value: i64): void {
    this.raw(decimal(value));
  }

  /** What was written. The writer is empty afterwards and may not be used again. */
  toString(): string {
    const result = __renew(changetype<usize>(this.buffer), <usize>this.length << 1);
    this.buffer = "";
    this.capacity = 0;
    this.length = 0;
    return changetype<string>(result);
  }

  private end(): usize {
    return changetype<usize>(this.buffer) + (<usize>this.length << 1);
  }

  private reserve(units: i32): void {
    const needed = this.length + units;
    if (needed <= this.capacity) return;
    this.capacity = max(needed, this.capacity << 1);
    const larger = changetype<string>(__new(<usize>this.capacity << 1, idof<string>()));
    memory.copy(changetype<usize>(larger), changetype<usize>(this.buffer), <usize>this.length << 1);
    this.buffer = larger;
  }
}

function writeEscape(to: usize, unit: u16): usize {
  store<u16>(to, BACKSLASH);
  let short: u16 = 0;
  if (unit == QUOTE || unit == BACKSLASH) short = unit;
  else if (unit == 0x0a) short = 0x6e;
  else if (unit == 0x0d) short = 0x72;
  else if (unit == 0x09) short = 0x74;
  else if (unit == 0x08) short = 0x62;
  else if (unit == 0x0c) short = 0x66;
  if (short != 0) {
    store<u16>(to + 2, short);
    return to + 4;
  }
  store<u16>(to + 2, 0x75);
  for (let i = 0; i < 4; i++) {
    const digit: u16 = (unit >> <u16>(12 - 4 * i)) & 15;
    store<u16>(to + 4 + (<usize>i << 1), digit < 10 ? 0x30 + digit : 0x57 + digit);
  }
  return to + 12;
}
