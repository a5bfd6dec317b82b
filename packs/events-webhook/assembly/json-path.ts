import { ArrayWalker, field, unquote } from "gtpack";

/**
 * The value at a path such as `event.type`, `$.items[0].id` or `items.0.id`, as it stands in the text; null where there is none. Names with
 * dots or brackets in them cannot be said. `json` has to be JSON.
 */
export function valueAt(json: string, path: string): string | null {
  let value: string | null = json;
  let at = path.startsWith("$") ? 1 : 0;
  while (at < path.length && value !== null) {
    const unit = path.charCodeAt(at);
    if (unit == 0x2e || unit == 0x5b || unit == 0x5d) {
      at++;
      continue;
    }
    let end = at;
    while (end < path.length) {
      const next = path.charCodeAt(end);
      if (next == 0x2e || next == 0x5b || next == 0x5d) break;
      end++;
    }
    value = member(value, path.substring(at, end));
    at = end;
  }
  return value;
}

/** That value if it says one thing: a string unescaped, a number or a truth as it is written; null for anything else. */
export function scalarAt(json: string, path: string): string | null {
  const value = valueAt(json, path);
  if (value === null || value.length == 0) return null;
  const first = value.charCodeAt(0);
  if (first == 0x22) return unquote(value);
  return first == 0x7b || first == 0x5b || first == 0x6e ? null : value;
}

function member(json: string, name: string): string | null {
  let start = 0;
  while (start < json.length && json.charCodeAt(start) <= 0x20) start++;
  if (json.charCodeAt(start) != 0x5b) return field(json, name);
  let index = 0;
  for (let i = 0; i < name.length; i++) {
    const digit = name.charCodeAt(i) - 0x30;
    if (<u32>digit > 9 || i > 5) return null;
    index = index * 10 + digit;
  }
  const walker = new ArrayWalker(json);
  while (walker.next()) {
    if (index-- == 0) return walker.raw();
  }
  return null;
}
