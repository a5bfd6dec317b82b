import { SectionFault } from '../wasm-reader.ts';
import type { ComponentExtern, ExternMap, FunctionType, ResourceType, ValueType } from './component-types.ts';

/** A resource, whose name is known only once it is imported or exported under one. */
export interface ResourceEntry {
  name: string;
  /** Named by an export; what an import calls it is only a makeshift. */
  isNamed: boolean;
}

/** An entry of the index space of types. */
export type TypeEntry =
  | { readonly kind: 'value'; readonly type: ValueType }
  | { readonly kind: 'function'; readonly type: FunctionType }
  | { readonly kind: 'resource'; readonly resource: ResourceType }
  | { readonly kind: 'instance'; readonly exports: ExternMap }
  | { readonly kind: 'component'; readonly exports: () => ExternMap };

/** A component inside of another, read when it is instantiated. */
export type ComponentEntry = Extract<TypeEntry, { kind: 'component' }>;

/** Of one component, component type or instance type: what its indexes mean, in the order in which it was said. */
export class ComponentScope {
  readonly parent: ComponentScope | undefined;
  readonly depth: number;
  readonly types: TypeEntry[] = [];
  readonly functions: FunctionType[] = [];
  readonly instances: ExternMap[] = [];
  readonly components: ComponentEntry[] = [];
  readonly imports = new Map<string, ComponentExtern>();
  readonly exports = new Map<string, ComponentExtern>();

  constructor(parent: ComponentScope | undefined, maxDepth: number) {
    this.parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
    if (this.depth > maxDepth) throw new SectionFault(`its types nest more than ${maxDepth} deep`);
  }

  /** The scope that many levels further out. */
  outer(levels: number): ComponentScope {
    let scope: ComponentScope | undefined = this;
    for (let left = levels; left > 0 && scope !== undefined; left -= 1) scope = scope.parent;
    if (scope === undefined) throw new SectionFault(`an alias points ${levels} levels out, where nothing is`);
    return scope;
  }

  type(index: number): TypeEntry {
    return entryOf(this.types, index, 'type');
  }

  typeOf<K extends TypeEntry['kind']>(index: number, kind: K): Extract<TypeEntry, { kind: K }> {
    const entry = this.type(index);
    if (entry.kind === kind) return entry as Extract<TypeEntry, { kind: K }>;
    throw new SectionFault(`the type ${index} has to be a ${kind}, and is a ${entry.kind}`);
  }

  function(index: number): FunctionType {
    return entryOf(this.functions, index, 'function');
  }

  instance(index: number): ExternMap {
    return entryOf(this.instances, index, 'instance');
  }

  component(index: number): ComponentEntry {
    return entryOf(this.components, index, 'component');
  }

  /** What is imported or exported has an index, too. */
  add(extern: ComponentExtern): void {
    switch (extern.kind) {
      case 'function':
        this.functions.push(extern.type);
        break;
      case 'interface':
        this.instances.push(extern.exports);
        break;
      case 'type':
        this.types.push({ kind: 'value', type: extern.type });
        break;
      case 'resource':
        this.types.push({ kind: 'resource', resource: extern.resource });
        break;
      default:
    }
  }
}

function entryOf<T>(entries: readonly T[], index: number, what: string): T {
  const entry = entries[index];
  if (entry !== undefined) return entry;
  throw new SectionFault(`the ${what} ${index} is named before there are as many`);
}
