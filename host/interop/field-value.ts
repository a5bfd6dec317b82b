import type { ValueType } from '../pack/component-types.ts';

/** Values as the glue takes and gives them: fields in camelCase, options as undefined, bytes as Uint8Array, variants as `{ tag, val }`. */

/** What is known of a field, by its name in WIT; a record in between takes none. */
export type Hints = Readonly<Record<string, string | number | Uint8Array>>;

/**
 * A value of a type that another host made up: what is known by the names of its fields, and nothing for the rest. So a
 * context may have whatever fields it has.
 */
export function fieldValue(type: ValueType, hints: Hints, name = ''): unknown {
  const hint = Object.hasOwn(hints, name) ? hints[name] : undefined;
  switch (type.kind) {
    case 'primitive':
      return primitiveOf(type.name, hint);
    case 'record':
      return Object.fromEntries(
        type.fields.map((field) => [camelCase(field.name), fieldValue(field.type, hints, field.name)]),
      );
    case 'option':
      // The glue has undefined for nothing, which an option of an option would hide in.
      if (type.value.kind === 'option') return { tag: 'none' };
      return hint === undefined ? undefined : fieldValue(type.value, hints, name);
    case 'list':
      return isBytes(type) ? (hint instanceof Uint8Array ? hint : new Uint8Array()) : [];
    case 'tuple':
      return type.elements.map((element) => fieldValue(element, hints));
    case 'enum':
      return type.names[0];
    case 'flags':
      return {};
    case 'variant': {
      const [first] = type.cases;
      const val = first?.type === undefined ? {} : { val: fieldValue(first.type, hints) };
      return { tag: first?.name, ...val };
    }
    case 'result':
      return { tag: 'ok', val: type.ok === undefined ? undefined : fieldValue(type.ok, hints) };
    default:
      return undefined;
  }
}

function primitiveOf(name: string, hint: Hints[string] | undefined): unknown {
  switch (name) {
    case 'string':
      return typeof hint === 'string' ? hint : '';
    case 'bool':
      return false;
    case 'char':
      return ' ';
    case 's64':
    case 'u64':
      return typeof hint === 'number' ? BigInt(Math.trunc(hint)) : 0n;
    default:
      return typeof hint === 'number' ? hint : 0;
  }
}

export function isBytes(type: ValueType | undefined): boolean {
  return type?.kind === 'list' && isPrimitive(type.element, 'u8');
}

export function isPrimitive(type: ValueType | undefined, name: string): boolean {
  return type?.kind === 'primitive' && type.name === name;
}

/** The field of a record, by its name in WIT. */
export function fieldOf(type: ValueType | undefined, name: string): ValueType | undefined {
  return type?.kind === 'record' ? type.fields.find((field) => field.name === name)?.type : undefined;
}

/** Names as the glue writes them. A word of a name is in lower case or in upper case as a whole. */
export function camelCase(name: string): string {
  return name.toLowerCase().replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
