/** What bytes 0x80 to 0x9f are in Windows-1252, which the web takes ISO-8859-1 for (encoding.spec.whatwg.org). */
const WINDOWS_1252 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

/**
 * Bytes as text, where the engine has no decoder of its own.
 * @param bytes a character a byte
 * @returns null for a charset that is not known here
 */
export function decode(bytes: string, charset: string): string | null {
  switch (charset.toLowerCase()) {
    case 'utf-8':
    case 'utf8':
    case 'us-ascii':
    case 'ascii':
      return bytes.replace(/[\x80-\xff]+/g, decodeRun);
    case 'iso-8859-1':
    case 'latin1':
    case 'windows-1252':
    case 'cp1252':
      return bytes.replace(/[\x80-\x9f]/g, (byte) => WINDOWS_1252.charAt(byte.charCodeAt(0) - 0x80));
    default:
      return null;
  }
}

/** Bytes beyond ASCII: each well-formed sequence of UTF-8 as its character, each other byte as U+FFFD. */
function decodeRun(run: string): string {
  try {
    return decodeURIComponent(run.replace(/./gs, (byte) => `%${byte.charCodeAt(0).toString(16)}`));
  } catch {
    // Told apart one by one below.
  }
  return run.replace(
    /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|./gs,
    (sequence) => {
      try {
        return decodeURIComponent(sequence.replace(/./gs, (byte) => `%${byte.charCodeAt(0).toString(16)}`));
      } catch {
        return '\ufffd'.repeat(sequence.length);
      }
    },
  );
}
