import type { Json } from '../event/json.ts';
import type { ValueType } from '../pack/component-types.ts';
import { camelCase } from './field-value.ts';
import type { JsonBudget } from './json-budget.ts';

/**
 * JSON, as typed-json has it, of a value that the glue gave. Its shape is the type's, since the glue made it; how much it
 * is was the component's to say.
 * @throws GtpackError `guest_output_invalid` past the budget
 */
export function toJson(type: ValueType | undefined, value: unknown, budget: JsonBudget): Json {
  budget.take(1);
  if (type === undefined) return null;
  switch (type.kind) {
    case 'primitive':
      return primitive(value, budget);
    case 'option':
      if (type.value.kind !== 'option')
        return value === undefined || value === null ? null : toJson(type.value, value, budget);
      return tagOf(value) === 'some' ? { some: toJson(type.value, valOf(value), budget) } : null;
    case 'record':
      return Object.fromEntries(
        type.fields.map(({ name, type: inner }) => [
          name,
          toJson(inner, own(value, camelCase(name)), budget),
        ]),
      );
    case 'list':
      if (value instanceof Uint8Array) {
        budget.take(0, Math.ceil(value.length / 3) * 4);
        return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
      }
      return Array.from(value as Iterable<unknown>, (each) => toJson(type.element, each, budget));
    case 'tuple':
      return type.elements.map((element, at) => toJson(element, (value as unknown[])[at], budget));
    case 'enum':
      return String(value);
    case 'flags':
      return type.names.filter((name) => own(value, camelCase(name)) === true);
    case 'variant': {
      const tag = String(tagOf(value));
      const held = type.cases.find(({ name }) => name === tag)?.type;
      return held === undefined ? tag : { [tag]: toJson(held, valOf(value), budget) };
    }
    case 'result':
      return tagOf(value) === 'ok'
        ? { ok: toJson(type.ok, valOf(value), budget) }
        : { error: toJson(type.error, valOf(value), budget) };
    default:
      return null;
  }
}

function primitive(value: unknown, budget: JsonBudget): Json {
  if (typeof value === 'bigint') return wholeNumber(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') {
    budget.take(0, value.length);
    return value;
  }
  return value === true;
}

/** Past what a number holds exactly, its digits. */
function wholeNumber(value: bigint): Json {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function tagOf(value: unknown): unknown {
  return own(value, 'tag');
}

function valOf(value: unknown): unknown {
  return own(value, 'val');
}

/** A field may be called what every object inherits. */
function own(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
