import {
  PLUGIN_PACKAGE,
  PLUGIN_VERSION,
  type PluginExport,
  WAITING_FUNCTIONS,
  type WaitingImport,
} from '../contract.ts';
import { GtpackError } from '../errors.ts';
import { readGuestProblem } from './guest-problem.ts';
import {
  type GuestImports,
  type GuestReply,
  MAX_REPLY_BYTES,
  type PluginInstance,
  type PluginModule,
} from './plugin.ts';
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

  private constructor(glue: Glue, modules: ReadonlyMap<string, WebAssembly.Module>) {
    this.#glue = glue;
    this.#modules = modules;
  }

  /** @param modules the component's core modules by the names that its glue asks for */
  static async load(
    glue: string,
    modules: ReadonlyMap<string, WebAssembly.Module>,
  ): Promise<ComponentPlugin> {
    // A cell reads no files, so the module comes as its own address.
    const url = `data:text/javascript;base64,${Buffer.from(glue).toString('base64')}`;
    return new ComponentPlugin((await import(url)) as Glue, modules);
  }

  instantiate(imports: GuestImports): PluginInstance {
    const memories = new Set<WebAssembly.Memory>();
    const exports = this.#glue.instantiate(
      (path) => this.#module(path),
      { ...deniedWasi(), ...linked(imports) },
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
    return new ComponentInstance(exports, memories);
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

  constructor(exports: Record<string, unknown>, memories: ReadonlySet<WebAssembly.Memory>) {
    this.#exports = exports;
    this.#memories = memories;
  }

  call(name: PluginExport, input: string, operation?: string): GuestReply | Promise<GuestReply> {
    const entry = (this.#exports[interfaceName(name)] as Record<string, unknown> | undefined)?.[name];
    if (typeof entry !== 'function') {
      throw new GtpackError('guest_export_missing', `The component exports no ${interfaceName(name)}.`);
    }
    const texts = operation === undefined ? [input] : [operation, input];
    let reply: unknown;
    try {
      reply = entry(...texts);
    } catch (thrown) {
      return problemOrThrow(thrown);
    }
    return reply instanceof Promise ? reply.then(replyOf, problemOrThrow) : replyOf(reply);
  }

  memoryBytes(): number {
    let total = 0;
    for (const memory of this.#memories) total += memory.buffer.byteLength;
    return total;
  }
}

/** The glue throws the error side of a result as the bare record; a trap and the glue's own faults are Errors. */
function problemOrThrow(thrown: unknown): GuestReply {
  if (thrown instanceof Error) throw thrown;
  const problem = readGuestProblem(thrown);
  if (problem !== undefined) return { kind: 'problem', problem };
  throw new GtpackError(
    'guest_output_invalid',
    'The component returned neither text nor a problem with a code in snake_case and a message.',
  );
}

function replyOf(reply: unknown): GuestReply {
  if (typeof reply === 'string' && reply.length <= MAX_REPLY_BYTES) return { kind: 'ok', json: reply };
  throw new GtpackError(
    'guest_output_invalid',
    `The component returned no text of at most ${MAX_REPLY_BYTES} bytes.`,
  );
}

function interfaceName(name: string): string {
  return `${PLUGIN_PACKAGE}/${name}@${PLUGIN_VERSION}`;
}

/** The glue asks for imports by their names without versions; which version it is was checked when the pack was read. */
function linked({ config, log, waiting, ask }: GuestImports): Record<string, unknown> {
  // `types` holds no function; glue may ask for the interface all the same.
  const table: Record<string, unknown> = { [`${PLUGIN_PACKAGE}/types`]: {} };
  if (config !== undefined) table[`${PLUGIN_PACKAGE}/config`] = { get: config };
  if (log !== undefined) table[`${PLUGIN_PACKAGE}/log`] = { write: log };
  for (const capability of waiting) {
    table[`${PLUGIN_PACKAGE}/${capability}`] = Object.fromEntries(
      WAITING_FUNCTIONS[capability].map((fn) => [fn, waitingFunction(capability, fn, ask)]),
    );
  }
  return table;
}

/** The glue takes what is thrown for the error side of the result. */
function waitingFunction(capability: WaitingImport, fn: string, ask: GuestImports['ask']): unknown {
  return async (...args: unknown[]) => {
    const reply = await ask(capability, fn, args.map(String));
    if (reply.kind === 'problem') throw reply.problem;
    return reply.json;
  };
}
