import type { Json, JsonObject } from '../event/json.ts';
import { type PrimitiveType, typeText, type ValueType } from '../pack/component-types.ts';
import { camelCase, isBytes } from './field-value.ts';
import { numberList } from './number-list.ts';

/**
 * JSON for the values of a component's functions: records are objects by the names in WIT, bytes are base64, an option is
 * null without a value (one of an option is `{ "some": … }` with one), a variant `{ "case": value }` and one without a value
 * its name, a result `{ "ok": … }` or `{ "error": … }`. 64-bit integers that a number does not hold exactly are their
 * digits in a string; so are the numbers that JSON lacks: "NaN", "Infinity", "-Infinity".
 *
 * This file reads; typed-json-output writes.
 */

/** Why JSON is no value of a type. */
export class TypedJsonFault extends Error {
  override readonly name = 'TypedJsonFault';
}

/** Whether values of the type can be written as JSON: resources and streams live on one side only. */
export function isJsonType(type: ValueType | undefined): boolean {
  if (type === undefined) return true;
  switch (type.kind) {
    case 'primitive':
      return type.name !== 'error-context';
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

/** The parameters of a function, each a field of the input. @throws TypedJsonFault */
export function parametersFromJson(
  parameters: readonly { readonly name: string; readonly type: ValueType }[],
  input: Json,
): unknown[] {
  if (parameters.length === 0) return [];
  const values = fieldsFromJson({ kind: 'record', fields: parameters }, input, 'input');
  return values.map(([, value]) => value);
}

/** @param path of the value in the input, for messages. @throws TypedJsonFault */
export function fromJson(type: ValueType, value: Json | undefined, path: string): unknown {
  switch (type.kind) {
    case 'primitive':
      return primitive(type.name, value, path);
    case 'option':
      return option(type.value, value, path);
    case 'record':
      return Object.fromEntries(fieldsFromJson(type, value, path));
    case 'list':
      return list(type, value, path);
    case 'tuple': {
      const values = listAt(value, path, type);
      if (values.length !== type.elements.length) throw expected(path, type, value);
      return type.elements.map((element, at) => fromJson(element, values[at], `${path}[${at}]`));
    }
    case 'enum':
      if (typeof value === 'string' && type.names.includes(value)) return value;
      throw expected(path, type, value);
    case 'flags': {
      const names = listAt(value, path, type);
      if (!names.every((name) => typeof name === 'string' && type.names.includes(name)))
        throw expected(path, type, value);
      return Object.fromEntries(type.names.map((name) => [camelCase(name), names.includes(name)]));
    }
    case 'variant': {
      const [tag, inner] = typeof value === 'string' ? [value, undefined] : soleEntry(value, path, type);
      const found = type.cases.find(({ name }) => name === tag);
      if (found === undefined) throw expected(path, type, value);
      return { tag, ...held(found.type, inner, `${path}.${tag}`) };
    }
    case 'result': {
      const [side, inner] = soleEntry(value, path, type);
      if (side !== 'ok' && side !== 'error') throw expected(path, type, value);
      const isOk = side === 'ok';
      return {
        tag: isOk ? 'ok' : 'err',
        ...held(isOk ? type.ok : type.error, inner, `${path}.${side}`),
      };
    }
    default:
      throw expected(path, type, value);
  }
}

/** The value that a case or a side has, or the lack of one. */
function held(
  type: ValueType | undefined,
  value: Json | undefined,
  path: string,
): { readonly val?: unknown } {
  if (type !== undefined) return { val: fromJson(type, value, path) };
  if (value === undefined || value === null) return {};
  throw new TypedJsonFault(`${path}: nothing was expected; ${shown(value)} came.`);
}

/** Without a value the glue takes undefined; an option of an option would hide in it, and is a variant there. */
function option(inner: ValueType, value: Json | undefined, path: string): unknown {
  const isNone = value === undefined || value === null;
  if (inner.kind !== 'option') return isNone ? undefined : fromJson(inner, value, path);
  if (isNone) return { tag: 'none' };
  const [name, some] = soleEntry(value, path, { kind: 'option', value: inner });
  if (name !== 'some') throw expected(path, { kind: 'option', value: inner }, value);
  return { tag: 'some', val: fromJson(inner, some, `${path}.some`) };
}

function fieldsFromJson(
  type: Extract<ValueType, { kind: 'record' }>,
  value: Json | undefined,
  path: string,
): [string, unknown][] {
  const fields = objectAt(value, path, type);
  const unknown = Object.keys(fields).find((key) => !type.fields.some(({ name }) => name === key));
  if (unknown !== undefined) {
    const known = type.fields.map(({ name }) => name).join(', ');
    throw new TypedJsonFault(
      `${path}: there is no field ${shown(unknown)}. Known: ${known.slice(0, MAX_SHOWN)}.`,
    );
  }
  return type.fields.map(({ name, type: inner }) => [
    camelCase(name),
    fromJson(inner, Object.hasOwn(fields, name) ? fields[name] : undefined, `${path}.${name}`),
  ]);
}

function list(type: Extract<ValueType, { kind: 'list' }>, value: Json | undefined, path: string): unknown {
  if (isBytes(type)) {
    if (typeof value === 'string' && BASE64.test(value) && value.length % 4 === 0)
      return Uint8Array.from(Buffer.from(value, 'base64'));
    throw expected(path, type, value);
  }
  const values = listAt(value, path, type);
  if (type.length !== undefined && values.length !== type.length) throw expected(path, type, value);
  const items = values.map((each, at) => fromJson(type.element, each, `${path}[${at}]`));
  // The glue copies lists of numbers as bytes, out of whatever has a buffer.
  return type.element.kind === 'primitive' ? numberList(type.element.name, items) : items;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const INTEGERS: Readonly<Partial<Record<PrimitiveType, readonly [min: bigint, max: bigint]>>> = {
  s8: [-(2n ** 7n), 2n ** 7n - 1n],
  u8: [0n, 2n ** 8n - 1n],
  s16: [-(2n ** 15n), 2n ** 15n - 1n],
  u16: [0n, 2n ** 16n - 1n],
  s32: [-(2n ** 31n), 2n ** 31n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  s64: [-(2n ** 63n), 2n ** 63n - 1n],
  u64: [0n, 2n ** 64n - 1n],
};
const DIGITS = /^-?\d{1,20}$/;
const NO_JSON_NUMBERS: readonly Json[] = ['NaN', 'Infinity', '-Infinity'];

function primitive(name: PrimitiveType, value: Json | undefined, path: string): unknown {
  const bounds = INTEGERS[name];
  if (bounds !== undefined) {
    const whole = wholeOf(value, name.endsWith('64'));
    const [min, max] = bounds;
    if (whole !== undefined && whole >= min && whole <= max) {
      return name.endsWith('64') ? whole : Number(whole);
    }
  } else if (name === 'f32' || name === 'f64') {
    if (typeof value === 'number') return value;
    if (value !== undefined && NO_JSON_NUMBERS.includes(value)) return Number(value);
  } else if (name === 'bool') {
    if (typeof value === 'boolean') return value;
  } else if (typeof value === 'string' && (name === 'string' || isCharacter(value))) {
    return value;
  }
  throw expected(path, { kind: 'primitive', name }, value);
}

/** A number that may have lost digits on its way is none. */
function wholeOf(value: Json | undefined, mayBeDigits: boolean): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return mayBeDigits && typeof value === 'string' && DIGITS.test(value) ? BigInt(value) : undefined;
}

function isCharacter(text: string): boolean {
  return text.isWellFormed() && text.length <= 2 && [...text].length === 1;
}

function objectAt(value: Json | undefined, path: string, type: ValueType): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw expected(path, type, value);
}

function listAt(value: Json | undefined, path: string, type: ValueType): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw expected(path, type, value);
}

function soleEntry(value: Json | undefined, path: string, type: ValueType): [string, Json] {
  const [entry, ...others] = Object.entries(objectAt(value, path, type));
  if (entry === undefined || others.length > 0) throw expected(path, type, value);
  return entry;
}

const MAX_SHOWN = 120;

function shown(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function expected(path: string, type: ValueType, value: Json | undefined): TypedJsonFault {
  const came = value === undefined ? 'nothing' : shown(value);
  const text = isBytes(type) ? 'base64' : typeText(type);
  const wanted = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
  return new TypedJsonFault(`${path}: ${wanted} was expected; ${came} came.`);
}
