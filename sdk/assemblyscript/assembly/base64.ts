import { unitAt } from "./scan";

const PAD: u16 = 0x3d;

/** Bytes as base64 (RFC 4648, section 4), with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const length = bytes.length;
  const result = changetype<string>(__new(<usize>((length + 2) / 3) << 3, idof<string>()));
  let to = changetype<usize>(result);
  for (let at = 0; at < length; at += 3, to += 8) {
    const left = length - at;
    const second: u32 = left > 1 ? unchecked(bytes[at + 1]) : 0;
    const third: u32 = left > 2 ? unchecked(bytes[at + 2]) : 0;
    const bits = (<u32>unchecked(bytes[at]) << 16) | (second << 8) | third;
    store<u16>(to, digitOf(bits >> 18));
    store<u16>(to, digitOf((bits >> 12) & 63), 2);
    store<u16>(to, left > 1 ? digitOf((bits >> 6) & 63) : PAD, 4);
    store<u16>(to, left > 2 ? digitOf(bits & 63) : PAD, 6);
  }
  return result;
}

/** What base64 with padding stands for; null for a text that is none. */
export function decodeBase64(text: string): Uint8Array | null {
  const units = text.length;
  if ((units & 3) != 0) return null;
  let at = changetype<usize>(text);
  const end = at + (<usize>units << 1);
  let padding = 0;
  if (units > 0 && load<u16>(end - 2) == PAD) padding = load<u16>(end - 4) == PAD ? 2 : 1;
  const length = (units >> 2) * 3 - padding;
  const bytes = new Uint8Array(length);
  // Padding is passed over: there the digits that are left are those of zero.
  const last = end - (<usize>padding << 1);
  for (let to = 0; at < end; at += 8, to += 3) {
    let bits: i32 = 0;
    for (let n: usize = 0; n < 8; n += 2) {
      const value = at + n < last ? valueOf(unitAt(at + n, end)) : 0;
      if (value < 0) return null;
      bits = (bits << 6) | value;
    }
    // Bits past the last byte have to be zero, or several texts would stand for the same bytes.
    if (to + 3 > length && (bits & (padding == 2 ? 0xffff : 0xff)) != 0) return null;
    unchecked((bytes[to] = <u8>(bits >> 16)));
    if (to + 1 < length) unchecked((bytes[to + 1] = <u8>(bits >> 8)));
    if (to + 2 < length) unchecked((bytes[to + 2] = <u8>bits));
  }
  return bytes;
}

/** A text's bytes in UTF-8; half a surrogate pair becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

/** `A` to `Z`, `a` to `z`, `0` to `9`, `+`, `/` */
function digitOf(value: u32): u16 {
  if (value < 26) return <u16>(0x41 + value);
  if (value < 52) return <u16>(0x61 - 26 + value);
  if (value < 62) return <u16>(0x30 - 52 + value);
  return value == 62 ? 0x2b : 0x2f;
}

/** -1 for what is no digit of base64. */
function valueOf(unit: u16): i32 {
  if (unit >= 0x41 && unit <= 0x5a) return <i32>unit - 0x41;
  if (unit >= 0x61 && unit <= 0x7a) return <i32>unit - 0x61 + 26;
  if (unit >= 0x30 && unit <= 0x39) return <i32>unit - 0x30 + 52;
  return unit == 0x2b ? 62 : unit == 0x2f ? 63 : -1;
}
