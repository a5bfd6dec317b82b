/** Whether the bytes from `from` to `to` are UTF-8 as the WHATWG Encoding standard has it: no surrogates, nothing longer than needed. */
export function isUtf8(bytes: Uint8Array, from: i32, to: i32): bool {
  let at = from;
  while (at < to) {
    const lead = unchecked(bytes[at++]);
    if (lead < 0x80) continue;
    let rest = 0;
    let lower: u8 = 0x80;
    let upper: u8 = 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) rest = 1;
    else if (lead >= 0xe0 && lead <= 0xef) {
      rest = 2;
      if (lead == 0xe0) lower = 0xa0;
      if (lead == 0xed) upper = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      rest = 3;
      if (lead == 0xf0) lower = 0x90;
      if (lead == 0xf4) upper = 0x8f;
    } else return false;
    if (at + rest > to) return false;
    for (; rest > 0; rest--) {
      const byte = unchecked(bytes[at++]);
      if (byte < lower || byte > upper) return false;
      lower = 0x80;
      upper = 0xbf;
    }
  }
  return true;
}

/** Bytes that `isUtf8`, as text. */
export function textOf(bytes: Uint8Array, from: i32, to: i32): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart + <usize>from, <usize>(to - from));
}
