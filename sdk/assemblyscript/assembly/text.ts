import { copySpan } from "./scan";

/** A text with A to Z in lower case, for names that HTTP compares without regard to case. Of Unicode's tables it needs none. */
export function asciiLower(text: string): string {
  const result = changetype<string>(__new(<usize>text.length << 1, idof<string>()));
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    store<u16>(changetype<usize>(result) + (<usize>i << 1), unit >= 0x41 && unit <= 0x5a ? unit | 0x20 : unit);
  }
  return result;
}

/** An integer in decimal digits. A tenth of what the standard library brings along for any radix. */
export function decimal(value: i64): string {
  let rest: u64 = value < 0 ? 0 - value : value;
  let at = 20;
  const digits = changetype<usize>(memory.data(40));
  do {
    store<u16>(digits + (<usize>--at << 1), <u16>(0x30 + (rest % 10)));
    rest /= 10;
  } while (rest > 0);
  if (value < 0) store<u16>(digits + (<usize>--at << 1), 0x2d);
  return copySpan(digits + (<usize>at << 1), digits + 40);
}

/** The integer that a text starts with, white space not allowed; 0 without a digit. Past 64 bits it wraps. */
export function parseDecimal(text: string): i64 {
  const isNegative = text.length > 0 && text.charCodeAt(0) == 0x2d;
  let value: i64 = 0;
  for (let i = isNegative ? 1 : 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (<u32>digit > 9) break;
    value = value * 10 + digit;
  }
  return isNegative ? -value : value;
}

/** Whether a text is an integer as JSON writes one, small enough for 64 bits: at most 18 digits. */
export function isInteger(text: string): bool {
  const from = text.length > 0 && text.charCodeAt(0) == 0x2d ? 1 : 0;
  const digits = text.length - from;
  if (digits == 0 || digits > 18) return false;
  for (let i = from; i < text.length; i++) {
    if (<u32>(text.charCodeAt(i) - 0x30) > 9) return false;
  }
  return true;
}
