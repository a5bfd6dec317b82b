/** A text's bytes in UTF-8; half a surrogate pair becomes U+FFFD. The engine has no TextEncoder. */
export function encodeUtf8(text: string): Uint8Array {
  // At most three bytes for a code unit.
  const bytes = new Uint8Array(text.length * 3);
  let to = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code < 0x80) {
      bytes[to++] = code;
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const next = code <= 0xdbff ? text.charCodeAt(at + 1) : 0;
      if (next >= 0xdc00 && next <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (next - 0xdc00);
        at += 1;
      } else code = 0xfffd;
    }
    if (code < 0x800) bytes[to++] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) bytes[to++] = 0xe0 | (code >> 12);
      else {
        bytes[to++] = 0xf0 | (code >> 18);
        bytes[to++] = 0x80 | ((code >> 12) & 0x3f);
      }
      bytes[to++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[to++] = 0x80 | (code & 0x3f);
  }
  return bytes.slice(0, to);
}
