import { JsonWriter } from "gtpack";

/** More would make the search for a field of the same name costly. */
const MAX_FIELDS: i32 = 500;

/**
 * A body of `application/x-www-form-urlencoded` as an object of its fields: a string each, or an array of strings where a name
 * came more than once; null for more than 500 fields. Read as the WHATWG URL standard does: `+` is a space, percent-encoded
 * bytes are UTF-8, and what is not UTF-8 becomes U+FFFD.
 */
export function formToJson(body: string): string | null {
  // In the order of first sight; `owners` has the index of each value's name.
  const names: string[] = [];
  const values: string[] = [];
  const owners: i32[] = [];
  for (let start = 0, end = 0; start < body.length; start = end + 1) {
    end = body.indexOf("&", start);
    if (end < 0) end = body.length;
    if (end == start) continue;
    if (values.length == MAX_FIELDS) return null;
    let split = body.indexOf("=", start);
    if (split < 0 || split > end) split = end;
    const name = decode(body.substring(start, split));
    let owner = names.indexOf(name);
    if (owner < 0) owner = names.push(name) - 1;
    owners.push(owner);
    values.push(split < end ? decode(body.substring(split + 1, end)) : "");
  }
  const writer = new JsonWriter(body.length + 64);
  for (let owner = 0; owner < names.length; owner++) {
    writer.raw(owner == 0 ? "{" : ",");
    writer.text(names[owner]);
    writer.raw(":");
    const first = owners.indexOf(owner);
    const isList = owners.indexOf(owner, first + 1) > 0;
    if (isList) writer.raw("[");
    for (let i = first; i < owners.length; i++) {
      if (owners[i] != owner) continue;
      if (i > first) writer.raw(",");
      writer.text(values[i]);
    }
    if (isList) writer.raw("]");
  }
  writer.raw(names.length == 0 ? "{}" : "}");
  return writer.toString();
}

function decode(text: string): string {
  if (text.indexOf("%") < 0 && text.indexOf("+") < 0) return text;
  const utf8 = new Utf8Decoder(text.length);
  let i = 0;
  while (i < text.length) {
    const unit = text.charCodeAt(i);
    if (unit == 0x25 && i + 2 < text.length) {
      const high = hexDigit(text.charCodeAt(i + 1));
      const low = hexDigit(text.charCodeAt(i + 2));
      if (high >= 0 && low >= 0) {
        utf8.byte(<u32>((high << 4) | low));
        i += 3;
        continue;
      }
    }
    utf8.unit(unit == 0x2b ? 0x20 : unit);
    i++;
  }
  return utf8.finish();
}

function hexDigit(unit: i32): i32 {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The UTF-8 decoder of the WHATWG Encoding standard, fed byte by byte, with text in between. */
class Utf8Decoder {
  private units: StaticArray<u16>;
  private length: i32 = 0;
  private point: u32 = 0;
  private needed: i32 = 0;
  private lower: u32 = 0x80;
  private upper: u32 = 0xbf;

  /** `maxUnits`: no more units come out than were in the text, as no byte gives more than one. */
  constructor(maxUnits: i32) {
    this.units = new StaticArray<u16>(maxUnits);
  }

  unit(unit: i32): void {
    this.interrupt();
    this.push(unit);
  }

  byte(byte: u32): void {
    if (this.needed == 0) {
      this.lead(byte);
      return;
    }
    if (byte < this.lower || byte > this.upper) {
      this.interrupt();
      this.lead(byte);
      return;
    }
    this.lower = 0x80;
    this.upper = 0xbf;
    this.point = (this.point << 6) | (byte & 0x3f);
    if (--this.needed > 0) return;
    if (this.point < 0x10000) {
      this.push(<i32>this.point);
      return;
    }
    this.push(0xd800 + <i32>((this.point - 0x10000) >> 10));
    this.push(0xdc00 + <i32>((this.point - 0x10000) & 0x3ff));
  }

  finish(): string {
    this.interrupt();
    return String.UTF16.decodeUnsafe(changetype<usize>(this.units), <usize>this.length << 1);
  }

  private lead(byte: u32): void {
    if (byte < 0x80) {
      this.push(<i32>byte);
    } else if (byte >= 0xc2 && byte <= 0xdf) {
      this.needed = 1;
      this.point = byte & 0x1f;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      if (byte == 0xe0) this.lower = 0xa0;
      if (byte == 0xed) this.upper = 0x9f;
      this.needed = 2;
      this.point = byte & 0x0f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      if (byte == 0xf0) this.lower = 0x90;
      if (byte == 0xf4) this.upper = 0x8f;
      this.needed = 3;
      this.point = byte & 0x07;
    } else {
      this.push(0xfffd);
    }
  }

  /** A character that began does not end: one U+FFFD stands for what there was of it. */
  private interrupt(): void {
    if (this.needed == 0) return;
    this.needed = 0;
    this.lower = 0x80;
    this.upper = 0xbf;
    this.push(0xfffd);
  }

  private push(unit: i32): void {
    this.units[this.length++] = <u16>unit;
  }
}
