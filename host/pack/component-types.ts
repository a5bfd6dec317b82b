/**
 * The types of a component's functions as plain data, resolved structurally: two types are the same if the same values
 * cross in the same way, whatever indexes, aliases and packages lie between them.
 *
 * Source: component model, design/mvp/WIT.md.
 */

export type PrimitiveType =
  | 'bool'
  | 's8'
  | 'u8'
  | 's16'
  | 'u16'
  | 's32'
  | 'u32'
  | 's64'
  | 'u64'
  | 'f32'
  | 'f64'
  | 'char'
  | 'string'
  | 'error-context';

export type ValueType =
  | { readonly kind: 'primitive'; readonly name: PrimitiveType }
  | { readonly kind: 'record'; readonly fields: readonly NamedType[] }
  | { readonly kind: 'variant'; readonly cases: readonly VariantCase[] }
  | { readonly kind: 'tuple'; readonly elements: readonly ValueType[] }
  | { readonly kind: 'flags' | 'enum'; readonly names: readonly string[] }
  | { readonly kind: 'option'; readonly value: ValueType }
  | { readonly kind: 'result'; readonly ok: ValueType | undefined; readonly error: ValueType | undefined }
  | { readonly kind: 'list'; readonly element: ValueType; readonly length: number | undefined }
  | { readonly kind: 'stream' | 'future'; readonly element: ValueType | undefined }
  | { readonly kind: 'own' | 'borrow'; readonly resource: ResourceType };

export interface NamedType {
  readonly name: string;
  readonly type: ValueType;
}

export interface VariantCase {
  readonly name: string;
  readonly type: ValueType | undefined;
}

/** Of its identity, the name is what can be compared between binaries. */
export interface ResourceType {
  readonly name: string;
}

export interface FunctionType {
  readonly isAsync: boolean;
  readonly parameters: readonly NamedType[];
  readonly result: ValueType | undefined;
}

/** What a component or an instance of it imports or exports under one name. */
export type ComponentExtern =
  | { readonly kind: 'function'; readonly type: FunctionType }
  | { readonly kind: 'interface'; readonly exports: ExternMap }
  | { readonly kind: 'type'; readonly type: ValueType }
  | { readonly kind: 'resource'; readonly resource: ResourceType }
  | { readonly kind: 'module' | 'component' | 'value' };

export type ExternMap = ReadonlyMap<string, ComponentExtern>;

/** Whether the same values cross. Names of parameters do not cross; those of fields, cases and resources are the type. */
export function sameFunction(a: FunctionType, b: FunctionType): boolean {
  return (
    a.isAsync === b.isAsync &&
    sameLists(a.parameters, b.parameters, (x, y) => sameType(x.type, y.type)) &&
    sameOptional(a.result, b.result)
  );
}

/** Whether the same values are of both types. */
export function sameType(a: ValueType, b: ValueType): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'primitive':
      return b.kind === 'primitive' && a.name === b.name;
    case 'record':
      return (
        b.kind === 'record' &&
        sameLists(a.fields, b.fields, (x, y) => x.name === y.name && sameType(x.type, y.type))
      );
    case 'variant':
      return (
        b.kind === 'variant' &&
        sameLists(a.cases, b.cases, (x, y) => x.name === y.name && sameOptional(x.type, y.type))
      );
    case 'tuple':
      return b.kind === 'tuple' && sameLists(a.elements, b.elements, sameType);
    case 'flags':
    case 'enum':
      return b.kind === a.kind && sameLists(a.names, b.names, (x, y) => x === y);
    case 'option':
      return b.kind === 'option' && sameType(a.value, b.value);
    case 'result':
      return b.kind === 'result' && sameOptional(a.ok, b.ok) && sameOptional(a.error, b.error);
    case 'list':
      return b.kind === 'list' && a.length === b.length && sameType(a.element, b.element);
    case 'stream':
    case 'future':
      return b.kind === a.kind && sameOptional(a.element, b.element);
    case 'own':
    case 'borrow':
      return b.kind === a.kind && a.resource.name === b.resource.name;
    default:
      return a satisfies never;
  }
}

function sameOptional(a: ValueType | undefined, b: ValueType | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameType(a, b);
}

function sameLists<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}

/** In the manner of WIT, with every type written out where it stands: `func(request: string) -> result<string>`. */
export function functionText({ isAsync, parameters, result }: FunctionType): string {
  const list = parameters.map(({ name, type }) => `${name}: ${typeText(type)}`).join(', ');
  return `${isAsync ? 'async ' : ''}func(${list})${result === undefined ? '' : ` -> ${typeText(result)}`}`;
}

export function typeText(type: ValueType): string {
  switch (type.kind) {
    case 'primitive':
      return type.name;
    case 'record':
      return braced(
        'record',
        type.fields.map(({ name, type: field }) => `${name}: ${typeText(field)}`),
      );
    case 'variant':
      return braced(
        'variant',
        type.cases.map(({ name, type: of }) => (of === undefined ? name : `${name}(${typeText(of)})`)),
      );
    case 'tuple':
      return `tuple<${type.elements.map(typeText).join(', ')}>`;
    case 'flags':
    case 'enum':
      return braced(type.kind, type.names);
    case 'option':
      return `option<${typeText(type.value)}>`;
    case 'result':
      return resultText(type.ok, type.error);
    case 'list':
      return `list<${typeText(type.element)}${type.length === undefined ? '' : `, ${type.length}`}>`;
    case 'stream':
    case 'future':
      return type.element === undefined ? type.kind : `${type.kind}<${typeText(type.element)}>`;
    case 'own':
      return type.resource.name;
    case 'borrow':
      return `borrow<${type.resource.name}>`;
    default:
      return type satisfies never;
  }
}

function braced(kind: string, parts: readonly string[]): string {
  return `${kind} { ${parts.join(', ')} }`;
}

function resultText(ok: ValueType | undefined, error: ValueType | undefined): string {
  if (error !== undefined) return `result<${ok === undefined ? '_' : typeText(ok)}, ${typeText(error)}>`;
  return ok === undefined ? 'result' : `result<${typeText(ok)}>`;
}
