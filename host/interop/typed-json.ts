import type { Json, JsonObject } from '../event/json.ts';
import { typeText, type ValueType } from '../pack/component-types.ts';
import { camelCase, isBytes } from './field-value.ts';

/**
 * JSON for the values of a component's functions: records are objects by the names in WIT, bytes are base64, an option is
 * null without a value, a variant `{ "case": value }` and one without a value its name, a result `{ "ok": … }` or `{ "error": … }`.
 */

/** Why JSON is no value of a type. */
export class TypedJsonFault extends Error {
  override readonly name = 'TypedJsonFault';
}

/** Whether values of the type can be written as JSON: resources and streams live on one side only. */
export function isJsonType(type: ValueType | undefined): boolean {
  if (type === undefined) return true;
  switch (type.kind) {
    case 'own':
    case 'borrow':
    case 'stream':
    case 'future':
      return false;
    case 'record':
      return type.fields.every((field) => isJsonType(field.type));
    case 'variant':
      return type.cases.every((each) => isJsonType(each.type));
    case 'tuple':
      return type.elements.every(isJsonType);
    case 'option':
      return isJsonType(type.value);
    case 'result':
      return isJsonType(type.ok) && isJsonType(type.error);
    case 'list':
      return isJsonType(type.element);
    default:
      return true;
  }
}

/** @param path of the value in the input, for messages. @throws TypedJsonFault */
export function fromJson(type: ValueType, value: Json | undefined, path: string): unknown {
  switch (type.kind) {
    case 'primitive':
      return primitive(type.name, value, path);
    case 'option':
      return value === undefined || value === null ? undefined : fromJson(type.value, value, path);
    case 'record': {
      const fields = objectAt(value, path, type);
      return Object.fromEntries(
        type.fields.map(({ name, type: inner }) => [
          camelCase(name),
          fromJson(inner, fields[name], `${path}.${name}`),
        ]),
      );
    }
    case 'list': {
      if (isBytes(type)) return Uint8Array.from(Buffer.from(textAt(value, path, type), 'base64'));
      return listAt(value, path, type).map((each, at) => fromJson(type.element, each, `${path}[${at}]`));
    }
    case 'tuple': {
      const values = listAt(value, path, type);
      return type.elements.map((element, at) => fromJson(element, values[at], `${path}[${at}]`));
    }
    case 'enum': {
      const name = textAt(value, path, type);
      if (type.names.includes(name)) return name;
      throw expected(path, type, value);
    }
    case 'flags': {
      const names = listAt(value, path, type);
      return Object.fromEntries(type.names.map((name) => [camelCase(name), names.includes(name)]));
    }
    case 'variant': {
      const [tag, inner] = typeof value === 'string' ? [value, undefined] : soleEntry(value, path, type);
      const found = type.cases.find(({ name }) => name === tag);
      if (found === undefined) throw expected(path, type, value);
      return found.type === undefined ? { tag } : { tag, val: fromJson(found.type, inner, `${path}.${tag}`) };
    }
    case 'result': {
      const [side, inner] = soleEntry(value, path, type);
      const held = side === 'ok' ? type.ok : side === 'error' ? type.error : undefined;
      const tag = side === 'ok' ? 'ok' : 'err';
      return { tag, val: held === undefined ? undefined : fromJson(held, inner, `${path}.${side}`) };
    }
    default:
      throw expected(path, type, value);
  }
}

/** Of a value that the glue gave. */
export function toJson(type: ValueType | undefined, value: unknown): Json {
  if (type === undefined) return null;
  switch (type.kind) {
    case 'primitive':
      return typeof value === 'bigint' ? wholeNumber(value) : (value as Json);
    case 'option':
      return value === undefined || value === null ? null : toJson(type.value, value);
    case 'record':
      return Object.fromEntries(
        type.fields.map(({ name, type: inner }) => [
          name,
          toJson(inner, (value as Record<string, unknown>)[camelCase(name)]),
        ]),
      );
    case 'list':
      if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
      return Array.from(value as Iterable<unknown>, (each) => toJson(type.element, each));
    case 'tuple':
      return type.elements.map((element, at) => toJson(element, (value as unknown[])[at]));
    case 'enum':
      return String(value);
    case 'flags':
      return type.names.filter((name) => (value as Record<string, unknown>)[camelCase(name)] === true);
    case 'variant': {
      const { tag, val } = value as { readonly tag: string; readonly val?: unknown };
      const held = type.cases.find(({ name }) => name === tag)?.type;
      return held === undefined ? tag : { [tag]: toJson(held, val) };
    }
    case 'result': {
      const { tag, val } = value as { readonly tag: string; readonly val?: unknown };
      return tag === 'ok' ? { ok: toJson(type.ok, val) } : { error: toJson(type.error, val) };
    }
    default:
      return null;
  }
}

const INTEGERS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  s8: [-(2 ** 7), 2 ** 7 - 1],
  u8: [0, 2 ** 8 - 1],
  s16: [-(2 ** 15), 2 ** 15 - 1],
  u16: [0, 2 ** 16 - 1],
  s32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
  s64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  u64: [0, Number.MAX_SAFE_INTEGER],
};

function primitive(name: string, value: Json | undefined, path: string): unknown {
  const type: ValueType = { kind: 'primitive', name: name as never };
  const bounds = INTEGERS[name];
  if (bounds !== undefined) {
    const [min, max] = bounds;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      throw expected(path, type, value);
    return name.endsWith('64') ? BigInt(value) : value;
  }
  if (name === 'f32' || name === 'f64') {
    if (typeof value === 'number') return value;
  } else if (name === 'bool') {
    if (typeof value === 'boolean') return value;
  } else if (typeof value === 'string' && (name !== 'char' || [...value].length === 1)) return value;
  throw expected(path, type, value);
}

/** Past what a number holds exactly, its digits. */
function wholeNumber(value: bigint): Json {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function objectAt(value: Json | undefined, path: string, type: ValueType): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw expected(path, type, value);
}

function listAt(value: Json | undefined, path: string, type: ValueType): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw expected(path, type, value);
}

function textAt(value: Json | undefined, path: string, type: ValueType): string {
  if (typeof value === 'string') return value;
  throw expected(path, type, value);
}

function soleEntry(value: Json | undefined, path: string, type: ValueType): [string, Json] {
  const [entry, ...others] = Object.entries(objectAt(value, path, type));
  if (entry === undefined || others.length > 0) throw expected(path, type, value);
  return entry;
}

const MAX_SHOWN = 120;

function expected(path: string, type: ValueType, value: Json | undefined): TypedJsonFault {
  const came = value === undefined ? 'nothing' : JSON.stringify(value).slice(0, MAX_SHOWN);
  const wanted = isBytes(type) ? 'base64' : typeText(type).slice(0, MAX_SHOWN);
  return new TypedJsonFault(`${path}: ${wanted} was expected; ${came} came.`);
}
