import { type ErrorCode, errorMessage, GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { quoted } from '../../event/names.ts';
import { suggestion } from '../../yaml.ts';

/** More than a guest can pass: 4 Mi characters of up to three bytes each. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 64;
const MAX_ELEMENTS = 100_000;

/** Controls, line and paragraph separators: what begins a header, or a line, of its own. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

export type JsonMap = Readonly<Record<string, Json>>;

/** Reads what a guest wants sent, value by value; a fault names the field and quotes no more than a key of it. */
export class DocumentReader {
  readonly #code: ErrorCode;
  readonly #what: string;

  /** @param what begins a message: `The email` */
  constructor(code: ErrorCode, what: string) {
    this.#code = code;
    this.#what = what;
  }

  /** @throws GtpackError with the reader's code */
  parse(text: string): Json {
    try {
      const bounds = { maxBytes: MAX_BYTES, maxDepth: MAX_DEPTH, maxElements: MAX_ELEMENTS };
      return parseBoundedJson(text, bounds, this.#what) as Json;
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      throw new GtpackError(this.#code, errorMessage(error));
    }
  }

  /** An object of these keys and no others; those that are null count as left out. */
  closed(json: Json | undefined, path: string, known: readonly string[]): JsonMap {
    const map = this.map(json, path);
    for (const key of Object.keys(map)) {
      if (!known.includes(key)) throw this.fault(below(path, key), `is not known. ${suggestion(key, known)}`);
    }
    return map;
  }

  /** An object of any keys, without those that are null. */
  map(json: Json | undefined, path: string): JsonMap {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw this.fault(path, 'was expected to be an object');
    }
    return Object.fromEntries(Object.entries(json).filter(([, value]) => value !== null));
  }

  /** An object of texts without control characters, in its keys neither. */
  texts(json: Json | undefined, path: string): Readonly<Record<string, string>> {
    const entries = Object.entries(this.map(json, path));
    for (const [key, value] of entries) {
      this.line(key, below(path, key));
      this.line(value, below(path, key));
    }
    return Object.fromEntries(entries) as Readonly<Record<string, string>>;
  }

  text(json: Json | undefined, path: string): string {
    if (typeof json !== 'string') throw this.fault(path, 'was expected to be a text');
    if (!json.isWellFormed()) throw this.fault(path, 'holds half a surrogate pair');
    return json;
  }

  /** A text that goes into a header: without line breaks and other controls. */
  line(json: Json | undefined, path: string): string {
    const text = this.text(json, path);
    if (CONTROL.test(text)) throw this.fault(path, 'holds a line break or another control character');
    return text;
  }

  list(json: Json | undefined, path: string, max: number): readonly Json[] {
    if (!Array.isArray(json)) throw this.fault(path, 'was expected to be a list');
    if (json.length > max) throw this.fault(path, `has ${json.length} entries; at most ${max} are sent`);
    return json;
  }

  whole(json: Json | undefined, path: string, min: number, max: number): number {
    if (typeof json === 'number' && Number.isSafeInteger(json) && json >= min && json <= max) return json;
    throw this.fault(path, `was expected to be a whole number from ${min} to ${max}`);
  }

  fault(path: string, fault: string): GtpackError {
    const where = path === '' ? 'it' : shown(path);
    return new GtpackError(this.#code, `${this.#what} was not sent: ${where} ${fault.replace(/\.$/, '')}.`);
  }
}

export function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

export function entry(path: string, at: number): string {
  return `${path}[${at}]`;
}

const PLAIN_PATH = /^[\w.[\]@-]{1,120}$/;

/** Keys are a guest's, too. */
function shown(path: string): string {
  return PLAIN_PATH.test(path) ? path : quoted(path);
}
