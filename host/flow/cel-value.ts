import { Buffer } from 'node:buffer';
import type { Json } from '../event/json.ts';

/**
 * JSON on its way into CEL and back: whole numbers enter as `int` (a bigint) and leave as numbers.
 *
 * The library tells an object's type by its `constructor`, which a sender may have used as a key; such an object enters
 * as a Map, the library's other shape of a map.
 */

/** What a value may hold in all when it leaves, in characters of its texts; the JSON of it is bounded again by its user. */
const MAX_LEAVING_CHARACTERS = 4 * 1024 * 1024;
const MAX_LEAVING_ELEMENTS = 1_000_000;
const MAX_LEAVING_DEPTH = 128;

/**
 * Makes CEL values of parsed JSON, in place: the caller gives the value up. Its depth must be bounded.
 *
 * Whole numbers past 2^53 are not exact in JSON and stay `double`.
 */
export function enterCel(value: unknown): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) value[at] = enterCel(value[at]);
    return value;
  }
  const object = value as Record<string, unknown>;
  if (Object.hasOwn(object, 'constructor')) {
    return new Map(Object.entries(object).map(([key, inner]) => [key, enterCel(inner)]));
  }
  for (const key of Object.keys(object)) {
    const inner = object[key];
    if (typeof inner !== 'number' && (typeof inner !== 'object' || inner === null)) continue;
    const entered = enterCel(inner);
    if (entered === inner) continue;
    if (key === '__proto__') Object.defineProperty(object, key, { value: entered, ...PLAIN });
    else object[key] = entered;
  }
  return object;
}

const PLAIN = { enumerable: true, configurable: true, writable: true } as const;

/** Why a value of CEL has no JSON. */
export class NoJson extends Error {}

/**
 * Makes JSON of a CEL value: timestamps become RFC 3339 texts, durations texts like `90s`, bytes base64.
 * @throws NoJson for numbers that JSON does not hold exactly, types, and values past the bounds
 */
export function leaveCel(value: unknown): Json {
  return new Leaving().value(value, 0);
}

class Leaving {
  #characters = 0;
  #elements = 0;

  value(value: unknown, depth: number): Json {
    this.#elements += 1;
    if (this.#elements > MAX_LEAVING_ELEMENTS)
      throw new NoJson(`It has more than ${MAX_LEAVING_ELEMENTS} elements.`);
    switch (typeof value) {
      case 'string':
        return this.#text(value);
      case 'boolean':
        return value;
      case 'bigint':
        return wholeNumber(value);
      case 'number':
        if (Number.isFinite(value)) return value;
        throw new NoJson(`${value} is no number of JSON.`);
      case 'object':
        return this.#object(value, depth + 1);
      default:
        throw new NoJson(`A ${typeof value} is no JSON.`);
    }
  }

  #text(text: string): string {
    this.#characters += text.length;
    if (this.#characters > MAX_LEAVING_CHARACTERS) {
      throw new NoJson(`Its texts are longer than ${MAX_LEAVING_CHARACTERS} characters together.`);
    }
    return text;
  }

  #object(value: object | null, depth: number): Json {
    if (depth > MAX_LEAVING_DEPTH) throw new NoJson(`It is nested more than ${MAX_LEAVING_DEPTH} deep.`);
    if (value === null) return null;
    if (Array.isArray(value)) return value.map((inner: unknown) => this.value(inner, depth));
    if (value instanceof Map) return this.#entries(value.entries(), depth);
    if (value instanceof Date) return this.#text(value.toISOString());
    if (value instanceof Uint8Array) return this.#text(Buffer.from(value).toString('base64'));
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null)
      return this.#entries(Object.entries(value), depth);
    const inner: unknown = value.valueOf();
    // The library's unsigned numbers stand for a bigint, its durations for a number with a text of its own.
    if (typeof inner === 'bigint') return wholeNumber(inner);
    if (typeof inner === 'number') return this.#text(String(value));
    throw new NoJson(`A ${String(value)} is no JSON.`);
  }

  #entries(entries: Iterable<readonly [unknown, unknown]>, depth: number): Json {
    const json: [string, Json][] = [];
    for (const [key, inner] of entries) json.push([this.#text(String(key)), this.value(inner, depth)]);
    // Not by assignment: a key named __proto__ stays a key.
    return Object.fromEntries(json);
  }
}

function wholeNumber(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new NoJson(`The whole number ${value} is past 2^53, where numbers of JSON are not exact.`);
}
