import { SectionFault, type SectionReader } from '../wasm-reader.ts';
import type { ComponentScope } from './component-scope.ts';
import type { FunctionType, NamedType, PrimitiveType, ValueType, VariantCase } from './component-types.ts';

/** Entries of all lists of a component's sections together. */
const MAX_ITEMS = 100_000;
/** Of one type, written out with all that it is made of: types share parts, and a short text may stand for a long one. */
const MAX_TYPE_SIZE = 2_000;
const MAX_TYPE_DEPTH = 32;

/** Names are shown on terminals, and nothing in them may be more than a name. */
const LABEL = /^[A-Za-z][A-Za-z0-9-]*$/;

const PRIMITIVES: ReadonlyMap<number, PrimitiveType> = new Map([
  [0x7f, 'bool'],
  [0x7e, 's8'],
  [0x7d, 'u8'],
  [0x7c, 's16'],
  [0x7b, 'u16'],
  [0x7a, 's32'],
  [0x79, 'u32'],
  [0x78, 's64'],
  [0x77, 'u64'],
  [0x76, 'f32'],
  [0x75, 'f64'],
  [0x74, 'char'],
  [0x73, 'string'],
  [0x64, 'error-context'],
]);

interface Extent {
  readonly size: number;
  readonly depth: number;
}

const PLAIN: Extent = { size: 1, depth: 1 };

/** Reads the types of values and functions of one component, and counts what it costs. */
export class ComponentTypeReader {
  /** Of the types that were made; a primitive's is plain. */
  readonly #extents = new WeakMap<ValueType, Extent>();
  #items = 0;

  /** How many entries follow, of the component's share. */
  count(section: SectionReader): number {
    const count = section.count();
    this.#items += count;
    if (this.#items > MAX_ITEMS) throw new SectionFault(`it lists more than ${MAX_ITEMS} items`);
    return count;
  }

  functionType(section: SectionReader, scope: ComponentScope, isAsync: boolean): FunctionType {
    const parameters = this.#namedTypes(section, scope);
    const form = section.byte();
    const result = form === 0 ? this.valueReference(section, scope) : undefined;
    if (form > 1 || (form === 1 && section.byte() !== 0))
      throw new SectionFault('a function has named results');
    this.#extentOf([...parameters.map(({ type }) => type), result]);
    return { isAsync, parameters, result };
  }

  /** A type by its index, or one that has none. */
  valueReference(section: SectionReader, scope: ComponentScope): ValueType {
    const reference = section.s33();
    return reference < 0 ? primitive(reference + 0x80) : scope.typeOf(reference, 'value').type;
  }

  /** What a type section defines, `form` being its first byte. */
  valueType(form: number, section: SectionReader, scope: ComponentScope): ValueType {
    switch (form) {
      case 0x72: {
        const fields = this.#namedTypes(section, scope);
        return this.#bounded(
          { kind: 'record', fields },
          fields.map(({ type }) => type),
        );
      }
      case 0x71: {
        const cases = this.#list(section, () => this.#case(section, scope));
        return this.#bounded(
          { kind: 'variant', cases },
          cases.map(({ type }) => type),
        );
      }
      case 0x70:
      case 0x67: {
        const element = this.valueReference(section, scope);
        const length = form === 0x67 ? section.u32() : undefined;
        return this.#bounded({ kind: 'list', element, length }, [element]);
      }
      case 0x6f: {
        const elements = this.#list(section, () => this.valueReference(section, scope));
        return this.#bounded({ kind: 'tuple', elements }, elements);
      }
      case 0x6e:
      case 0x6d: {
        const names = this.#list(section, () => labelIn(section));
        const type: ValueType = { kind: form === 0x6e ? 'flags' : 'enum', names };
        return this.#bounded(
          type,
          names.map(() => undefined),
        );
      }
      case 0x6b: {
        const value = this.valueReference(section, scope);
        return this.#bounded({ kind: 'option', value }, [value]);
      }
      case 0x6a: {
        const ok = this.#optionalReference(section, scope);
        const error = this.#optionalReference(section, scope);
        return this.#bounded({ kind: 'result', ok, error }, [ok, error]);
      }
      case 0x69:
      case 0x68: {
        const { resource } = scope.typeOf(section.u32(), 'resource');
        return { kind: form === 0x69 ? 'own' : 'borrow', resource };
      }
      case 0x66:
      case 0x65: {
        const element = this.#optionalReference(section, scope);
        return this.#bounded({ kind: form === 0x66 ? 'stream' : 'future', element }, [element]);
      }
      default:
        return primitive(form);
    }
  }

  #namedTypes(section: SectionReader, scope: ComponentScope): NamedType[] {
    return this.#list(section, () => ({ name: labelIn(section), type: this.valueReference(section, scope) }));
  }

  #case(section: SectionReader, scope: ComponentScope): VariantCase {
    const name = labelIn(section);
    const type = this.#optionalReference(section, scope);
    if (section.byte() !== 0) throw new SectionFault('a case of a variant refines another');
    return { name, type };
  }

  #optionalReference(section: SectionReader, scope: ComponentScope): ValueType | undefined {
    const form = section.byte();
    if (form > 1) throw new SectionFault(`there is an unknown form of optional type, ${form}`);
    return form === 1 ? this.valueReference(section, scope) : undefined;
  }

  #list<T>(section: SectionReader, read: () => T): T[] {
    const items: T[] = [];
    for (let left = this.count(section); left > 0; left -= 1) items.push(read());
    return items;
  }

  #bounded(type: ValueType, parts: readonly (ValueType | undefined)[]): ValueType {
    this.#extents.set(type, this.#extentOf(parts));
    return type;
  }

  #extentOf(parts: readonly (ValueType | undefined)[]): Extent {
    let size = 1;
    let depth = 0;
    for (const part of parts) {
      const extent = part === undefined ? PLAIN : (this.#extents.get(part) ?? PLAIN);
      size += extent.size;
      depth = Math.max(depth, extent.depth);
    }
    depth += 1;
    if (size > MAX_TYPE_SIZE)
      throw new SectionFault(`a type is made of more than ${MAX_TYPE_SIZE} parts, written out`);
    if (depth > MAX_TYPE_DEPTH) throw new SectionFault(`a type nests more than ${MAX_TYPE_DEPTH} deep`);
    return { size, depth };
  }
}

function primitive(code: number): ValueType {
  const name = PRIMITIVES.get(code);
  if (name === undefined)
    throw new SectionFault(`there is an unknown type of values, 0x${code.toString(16)}`);
  return { kind: 'primitive', name };
}

function labelIn(section: SectionReader): string {
  const name = section.name();
  if (LABEL.test(name)) return name;
  throw new SectionFault(
    `the name ${JSON.stringify(name.slice(0, 80))} is no word of letters, digits and "-"`,
  );
}
