import { SectionFault, type SectionReader, sectionsOf } from '../wasm-reader.ts';
import { ComponentScope, type ResourceEntry, type TypeEntry } from './component-scope.ts';
import { ComponentTypeReader } from './component-type-reader.ts';
import type { ComponentExtern, ExternMap } from './component-types.ts';

/** What a component imports and exports, with the types of all functions. */
export interface ComponentShape {
  readonly imports: ExternMap;
  readonly exports: ExternMap;
}

/** Deeper than any toolchain nests components and interfaces in each other. */
const MAX_DEPTH = 16;

/** Names are shown on terminals. */
const EXTERN_NAME = /^[!-~]+$/;

const SECTION = {
  component: 4,
  instance: 5,
  alias: 6,
  type: 7,
  canon: 8,
  import: 10,
  export: 11,
} as const;

const SORT = { core: 0, function: 1, value: 2, type: 3, component: 4, instance: 5 } as const;
const CORE_TYPE_SORT = 0x10;
const CORE_MODULE_SORT = 0x11;

/**
 * Reads the types of a component's imports and exports from its sections, without compiling anything. A component inside
 * of it is read when it is instantiated, and once. The work is linear in what is read, and bounded: in depth, in the
 * number of items, and in the size of each type.
 *
 * Source: component model, design/mvp/Binary.md.
 *
 * @throws SectionFault
 */
export function readComponentShape(component: SectionReader): ComponentShape {
  const reader = new ComponentReader({ types: new ComponentTypeReader(), nesting: 0 }, undefined);
  reader.read(component);
  return reader.scope;
}

/** Of one binary, with all components in it. */
interface Reading {
  readonly types: ComponentTypeReader;
  /** Components that are being read, each for the instance of it in the one before. */
  nesting: number;
}

class ComponentReader {
  readonly scope: ComponentScope;
  readonly #reading: Reading;
  readonly #types: ComponentTypeReader;

  constructor(reading: Reading, parent: ComponentScope | undefined) {
    this.#reading = reading;
    this.#types = reading.types;
    this.scope = new ComponentScope(parent, MAX_DEPTH);
  }

  read(component: SectionReader): void {
    // A component may also instantiate one that stands beside it, or, if it lies, itself.
    if (this.#reading.nesting > MAX_DEPTH)
      throw new SectionFault(`its instances nest more than ${MAX_DEPTH} deep`);
    this.#reading.nesting += 1;
    this.#sections(component);
    this.#reading.nesting -= 1;
  }

  #sections(component: SectionReader): void {
    sectionsOf(component, (id, section) => {
      switch (id) {
        case SECTION.component:
          this.#inner(section);
          break;
        case SECTION.instance:
          this.#each(section, () => this.scope.instances.push(this.#instance(section)));
          break;
        case SECTION.alias:
          this.#each(section, () => readAlias(section, this.scope));
          break;
        case SECTION.type:
          this.#each(section, () => this.scope.types.push(this.#typeEntry(section, this.scope)));
          break;
        case SECTION.canon:
          this.#each(section, () => this.#canon(section));
          break;
        case SECTION.import:
          this.#each(section, () => this.#declare(section, this.scope, this.scope.imports));
          break;
        case SECTION.export:
          this.#each(section, () => this.#export(section));
          break;
        default:
        // Of the core, or values, which no function's type depends on.
      }
    });
  }

  #each(section: SectionReader, read: () => void): void {
    for (let left = this.#types.count(section); left > 0; left -= 1) read();
  }

  #inner(section: SectionReader): void {
    const { scope } = this;
    let exports: ExternMap | undefined;
    scope.components.push({
      kind: 'component',
      exports: () => {
        if (exports === undefined) {
          const inner = new ComponentReader(this.#reading, scope);
          inner.read(section);
          exports = inner.scope.exports;
        }
        return exports;
      },
    });
  }

  #instance(section: SectionReader): ExternMap {
    const form = section.byte();
    if (form === 0) {
      const component = this.scope.component(section.u32());
      // What it is given cannot change what it exports: an import's type says all that is known of it inside.
      this.#each(section, () => {
        section.name();
        readSort(section);
        section.u32();
      });
      return component.exports();
    }
    if (form !== 1) throw new SectionFault(`there is an unknown form of instance, ${form}`);
    const exports = new Map<string, ComponentExtern>();
    this.#each(section, () => {
      const name = externName(section);
      exports.set(name, externOf(readSort(section), section.u32(), this.scope));
    });
    return exports;
  }

  #typeEntry(section: SectionReader, scope: ComponentScope): TypeEntry {
    const form = section.byte();
    switch (form) {
      case 0x3f:
      case 0x3e: {
        section.byte();
        if (form === 0x3e || section.byte() === 1) section.u32();
        if (form === 0x3e && section.byte() === 1) section.u32();
        const resource: ResourceEntry = { name: 'resource', isNamed: false };
        return { kind: 'resource', resource };
      }
      case 0x40:
      case 0x43:
        return { kind: 'function', type: this.#types.functionType(section, scope, form === 0x43) };
      case 0x41: {
        const inner = new ComponentScope(scope, MAX_DEPTH);
        this.#each(section, () => this.#declaration(section, inner));
        return { kind: 'component', exports: () => inner.exports };
      }
      case 0x42: {
        const inner = new ComponentScope(scope, MAX_DEPTH);
        this.#each(section, () => this.#declaration(section, inner));
        return { kind: 'instance', exports: inner.exports };
      }
      default:
        return { kind: 'value', type: this.#types.valueType(form, section, scope) };
    }
  }

  /** Of a component type or an instance type. */
  #declaration(section: SectionReader, scope: ComponentScope): void {
    const form = section.byte();
    switch (form) {
      case 1:
        scope.types.push(this.#typeEntry(section, scope));
        break;
      case 2:
        readAlias(section, scope);
        break;
      case 3:
        this.#declare(section, scope, scope.imports);
        break;
      case 4:
        this.#declare(section, scope, scope.exports);
        break;
      default:
        throw new SectionFault(`there is an unknown form of declaration, ${form}`);
    }
  }

  /** An import, or an export of a type: a name and what has to stand behind it. */
  #declare(section: SectionReader, scope: ComponentScope, into: Map<string, ComponentExtern>): void {
    const name = externName(section);
    addExtern(scope, into, name, this.#externType(section, scope, name, into === scope.exports));
  }

  /** The ascribed type, where there is one, is all that the outside may use. */
  #export(section: SectionReader): void {
    const { scope } = this;
    const name = externName(section);
    const actual = externOf(readSort(section), section.u32(), scope);
    if (actual.kind === 'resource') nameResource(actual.resource as ResourceEntry, name);
    const extern = section.byte() === 1 ? this.#externType(section, scope, name, true) : actual;
    addExtern(scope, scope.exports, name, extern);
  }

  #externType(
    section: SectionReader,
    scope: ComponentScope,
    name: string,
    isExport: boolean,
  ): ComponentExtern {
    const sort = section.byte();
    switch (sort) {
      case SORT.core:
        if (section.byte() !== CORE_MODULE_SORT) throw new SectionFault('there is an unknown kind of import');
        section.u32();
        return { kind: 'module' };
      case SORT.function:
        return { kind: 'function', type: scope.typeOf(section.u32(), 'function').type };
      case SORT.value:
        if (section.byte() === 0) section.u32();
        else this.#types.valueReference(section, scope);
        return { kind: 'value' };
      case SORT.type: {
        if (section.byte() === 0) {
          const extern = typeExtern(scope.type(section.u32()));
          if (isExport && extern.kind === 'resource') nameResource(extern.resource as ResourceEntry, name);
          return extern;
        }
        const resource: ResourceEntry = { name, isNamed: isExport };
        return { kind: 'resource', resource };
      }
      case SORT.component:
        scope.components.push(scope.typeOf(section.u32(), 'component'));
        return { kind: 'component' };
      case SORT.instance:
        return { kind: 'interface', exports: scope.typeOf(section.u32(), 'instance').exports };
      default:
        throw new SectionFault('there is an unknown kind of import');
    }
  }

  /** Only what lifts a function of the core makes one of the component. */
  #canon(section: SectionReader): void {
    const form = section.byte();
    switch (form) {
      case 0x00:
        section.byte();
        section.u32();
        this.#options(section);
        this.scope.functions.push(this.scope.typeOf(section.u32(), 'function').type);
        break;
      case 0x01:
        section.byte();
        section.u32();
        this.#options(section);
        break;
      case 0x02:
      case 0x03:
      case 0x04:
        section.u32();
        break;
      default:
        throw new SectionFault(
          `it uses the built-in function 0x${form.toString(16)}, which is not of WASI 0.2`,
        );
    }
  }

  #options(section: SectionReader): void {
    this.#each(section, () => {
      const option = section.byte();
      // Encodings, and "async", stand alone; memory and functions have an index.
      if (option >= 3 && option !== 6) section.u32();
    });
  }
}

function addExtern(
  scope: ComponentScope,
  into: Map<string, ComponentExtern>,
  name: string,
  extern: ComponentExtern,
): void {
  if (into.has(name)) throw new SectionFault(`the name ${JSON.stringify(name)} is there twice`);
  into.set(name, extern);
  scope.add(extern);
}

function nameResource(resource: ResourceEntry, name: string): void {
  if (resource.isNamed) return;
  resource.name = name;
  resource.isNamed = true;
}

function readAlias(section: SectionReader, scope: ComponentScope): void {
  const sort = readSort(section);
  const target = section.byte();
  switch (target) {
    case 0: {
      const instance = scope.instance(section.u32());
      const name = section.name();
      const extern = instance.get(name);
      if (extern === undefined) throw new SectionFault(`there is no export ${JSON.stringify(name)} to alias`);
      if (extern.kind === 'component') throw new SectionFault('a component is taken out of an instance');
      scope.add(extern);
      break;
    }
    case 1:
      section.u32();
      section.name();
      break;
    case 2: {
      const outer = scope.outer(section.u32());
      const index = section.u32();
      if (sort === SORT.type) scope.types.push(outer.type(index));
      if (sort === SORT.component) scope.components.push(outer.component(index));
      break;
    }
    default:
      throw new SectionFault(`there is an unknown form of alias, ${target}`);
  }
}

/** The sort that comes next; what is of the core is one sort here. */
function readSort(section: SectionReader): number {
  const sort = section.byte();
  if (sort > SORT.instance) throw new SectionFault(`there is an unknown kind of export, ${sort}`);
  if (sort === SORT.core) {
    const core = section.byte();
    if (core > 4 && (core < CORE_TYPE_SORT || core > CORE_TYPE_SORT + 2))
      throw new SectionFault(`there is an unknown kind of export of the core, ${core}`);
  }
  return sort;
}

function externOf(sort: number, index: number, scope: ComponentScope): ComponentExtern {
  switch (sort) {
    case SORT.function:
      return { kind: 'function', type: scope.function(index) };
    case SORT.type:
      return typeExtern(scope.type(index));
    case SORT.instance:
      return { kind: 'interface', exports: scope.instance(index) };
    case SORT.value:
      return { kind: 'value' };
    case SORT.component:
      return { kind: 'component' };
    default:
      return { kind: 'module' };
  }
}

function typeExtern(entry: TypeEntry): ComponentExtern {
  if (entry.kind === 'value') return { kind: 'type', type: entry.type };
  if (entry.kind === 'resource') return { kind: 'resource', resource: entry.resource };
  throw new SectionFault(`a type of the kind ${entry.kind} stands where one of values has to`);
}

function externName(section: SectionReader): string {
  const form = section.byte();
  if (form > 1) throw new SectionFault(`there is an unknown form of name, ${form}`);
  const name = section.name();
  if (EXTERN_NAME.test(name)) return name;
  throw new SectionFault(`the name ${JSON.stringify(name.slice(0, 80))} holds more than signs of ASCII`);
}
