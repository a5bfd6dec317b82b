import type { PluginExport } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { ComponentBinding } from './component-binding.ts';
import type { GuestImports, GuestReply, PluginInstance, PluginModule } from './plugin.ts';
import { deniedWasi } from './wasi.ts';

/** What jco's glue exports in `instantiation: sync` mode. */
interface Glue {
  instantiate(
    getCoreModule: (path: string) => WebAssembly.Module,
    imports: Record<string, unknown>,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): Record<string, unknown>;
}

/** Of all core instances of one component instance; each has a bound of its own. */
const MAX_MEMORIES = 4;

/** A WebAssembly component, through glue that the host's own transpiler made. */
export class ComponentPlugin implements PluginModule {
  readonly #glue: Glue;
  readonly #modules: ReadonlyMap<string, WebAssembly.Module>;
  readonly #binding: ComponentBinding;

  private constructor(
    glue: Glue,
    modules: ReadonlyMap<string, WebAssembly.Module>,
    binding: ComponentBinding,
  ) {
    this.#glue = glue;
    this.#modules = modules;
    this.#binding = binding;
  }

  /** @param modules the component's core modules by the names that its glue asks for */
  static async load(
    glue: string,
    modules: ReadonlyMap<string, WebAssembly.Module>,
    binding: ComponentBinding,
  ): Promise<ComponentPlugin> {
    // A cell reads no files, so the module comes as its own address.
    const url = `data:text/javascript;base64,${Buffer.from(glue).toString('base64')}`;
    return new ComponentPlugin((await import(url)) as Glue, modules, binding);
  }

  instantiate(imports: GuestImports): PluginInstance {
    const memories = new Set<WebAssembly.Memory>();
    const exports = this.#glue.instantiate(
      (path) => this.#module(path),
      { ...deniedWasi(), ...this.#binding.link(imports) },
      (module, coreImports) => {
        const instance = new WebAssembly.Instance(module, coreImports);
        for (const value of Object.values(instance.exports)) {
          if (value instanceof WebAssembly.Memory) memories.add(value);
        }
        if (memories.size > MAX_MEMORIES) {
          throw new GtpackError(
            'guest_memory_too_large',
            `The component has more than ${MAX_MEMORIES} memories, which is the most that is allowed.`,
          );
        }
        return instance;
      },
    );
    return new ComponentInstance(exports, memories, this.#binding);
  }

  #module(path: string): WebAssembly.Module {
    const module = this.#modules.get(path);
    if (module === undefined)
      throw new GtpackError('plugin_invalid', `The glue asks for ${path}, which is no core module.`);
    return module;
  }
}

class ComponentInstance implements PluginInstance {
  readonly #exports: Record<string, unknown>;
  readonly #memories: ReadonlySet<WebAssembly.Memory>;
  readonly #binding: ComponentBinding;

  constructor(
    exports: Record<string, unknown>,
    memories: ReadonlySet<WebAssembly.Memory>,
    binding: ComponentBinding,
  ) {
    this.#exports = exports;
    this.#memories = memories;
    this.#binding = binding;
  }

  call(name: PluginExport, input: string, operation?: string): GuestReply | Promise<GuestReply> {
    return this.#binding.call(this.#exports, name, input, operation);
  }

  memoryCount(): number {
    return this.#memories.size;
  }

  memoryBytes(): number {
    let total = 0;
    for (const memory of this.#memories) total += memory.buffer.byteLength;
    return total;
  }
}
