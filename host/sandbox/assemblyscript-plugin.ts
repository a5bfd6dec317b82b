import {
  LOG_LEVELS,
  type LogLevel,
  PLUGIN_PACKAGE,
  PLUGIN_VERSION,
  type PluginExport,
  WAITING_FUNCTIONS,
  type WaitingImport,
} from '../contract.ts';
import { GtpackError } from '../errors.ts';
import { type AssemblyScriptRuntime, GuestMemory } from './guest-memory.ts';
import { readGuestProblem } from './guest-problem.ts';
import {
  type GuestImports,
  type GuestReply,
  MAX_REPLY_BYTES,
  type PluginInstance,
  type PluginModule,
} from './plugin.ts';

type GuestFunction = (...values: unknown[]) => unknown;

const OK_PREFIX = '{"ok":';
/** UTF-16 takes two bytes a character. */
const MAX_STRING_BYTES = MAX_REPLY_BYTES * 2;

/** A core module made by AssemblyScript against the ABI of sdk/assemblyscript. */
export class AssemblyScriptPlugin implements PluginModule {
  readonly #module: WebAssembly.Module;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  instantiate(imports: GuestImports): PluginInstance {
    return new AssemblyScriptInstance(this.#module, imports);
  }
}

class AssemblyScriptInstance implements PluginInstance {
  readonly #exports: WebAssembly.Exports;
  readonly #guestMemory: GuestMemory | undefined;
  readonly #memories: readonly WebAssembly.Memory[];
  /** What went wrong inside a host function. Those return, since a guest could catch a throw; the call fails after it. */
  #fault: Error | undefined;
  readonly #waits: boolean;
  readonly #suspendables = new Map<GuestFunction, (...values: unknown[]) => Promise<unknown>>();

  constructor(module: WebAssembly.Module, imports: GuestImports) {
    this.#waits = imports.waiting.length > 0;
    // Host functions may be called by the start function, before there are exports to read from.
    const { exports } = this.#enter(() => new WebAssembly.Instance(module, this.#linked(imports)));
    this.#exports = exports;
    this.#memories = Object.values(exports).filter((each) => each instanceof WebAssembly.Memory);
    this.#guestMemory = new GuestMemory(runtimeOf(exports), MAX_STRING_BYTES);
  }

  get #memory(): GuestMemory {
    if (this.#guestMemory !== undefined) return this.#guestMemory;
    throw new GtpackError('guest_trap', 'The plugin calls a host function while its module is started.', {
      cure: 'Call it from an export; initialize globals that need it on first use.',
    });
  }

  call(name: PluginExport, input: string, operation?: string): GuestReply | Promise<GuestReply> {
    const entry = this.#exports[name];
    if (typeof entry !== 'function') {
      throw new GtpackError('guest_export_missing', `The plugin exports no function ${name}.`);
    }
    const guest = entry as GuestFunction;
    const texts = operation === undefined ? [input] : [operation, input];
    return this.#waits
      ? this.#suspendable(guest, texts)
      : this.#enter(() => this.#uninterrupted(guest, texts));
  }

  #uninterrupted(entry: GuestFunction, texts: readonly string[]): GuestReply {
    const pointers = texts.map((text) => this.#memory.write(text));
    return this.#finish(entry(...pointers), pointers);
  }

  /** The guest's stack is set aside at each wait (JavaScript Promise Integration). */
  async #suspendable(entry: GuestFunction, texts: readonly string[]): Promise<GuestReply> {
    let pointers: readonly number[];
    let result: unknown;
    try {
      pointers = texts.map((text) => this.#memory.write(text));
      result = await this.#promising(entry)(...pointers);
    } catch (trap) {
      throw this.#fault ?? trap;
    }
    return this.#enter(() => this.#finish(result, pointers));
  }

  /** Making one costs more than the call. */
  #promising(entry: GuestFunction): (...values: unknown[]) => Promise<unknown> {
    const known = this.#suspendables.get(entry);
    if (known !== undefined) return known;
    const made = WebAssembly.promising(entry);
    this.#suspendables.set(entry, made);
    return made;
  }

  #finish(result: unknown, pointers: readonly number[]): GuestReply {
    const text = this.#memory.read(result);
    for (const pointer of pointers) this.#memory.release(pointer);
    this.#memory.collect();
    return parseEnvelope(text);
  }

  memoryCount(): number {
    return this.#memories.length;
  }

  memoryBytes(): number {
    return this.#memories.reduce((total, { buffer }) => total + buffer.byteLength, 0);
  }

  #linked({ config, log, waiting, ask }: GuestImports): WebAssembly.Imports {
    const linked: WebAssembly.Imports = {
      env: { abort: (message: number, _file: number, line: number) => this.#abort(message, line) },
    };
    if (config !== undefined) {
      linked[importName('config')] = { get: () => this.#give(config()) };
    }
    if (log !== undefined) {
      linked[importName('log')] = {
        write: (level: number, message: number) =>
          this.#take(() => log(levelOf(this.#memory.read(level)), this.#memory.read(message))),
      };
    }
    for (const capability of waiting) {
      linked[importName(capability)] = Object.fromEntries(
        WAITING_FUNCTIONS[capability].map((fn) => [fn, this.#waiting(capability, fn, ask)]),
      );
    }
    return linked;
  }

  /** A function that suspends the guest. What it passes is read before anything else can enter the instance. */
  #waiting(capability: WaitingImport, fn: string, ask: GuestImports['ask']): unknown {
    return new WebAssembly.Suspending(async (...pointers: number[]) => {
      const args = this.#take(() => pointers.map((pointer) => this.#memory.read(pointer)));
      const reply = await ask(capability, fn, args ?? []);
      return this.#give(envelope(reply));
    });
  }

  /** A text for the guest. Between this and the guest's next instruction nothing can collect it. */
  #give(text: string): number {
    return (
      this.#take(() => {
        const pointer = this.#memory.write(text);
        this.#memory.release(pointer);
        return pointer;
      }) ?? 0
    );
  }

  #take<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#fault ??= error instanceof Error ? error : new Error(String(error));
      return undefined;
    }
  }

  /** Returns to the guest, whose next instruction is `unreachable`. */
  #abort(message: number, line: number): void {
    const text = message === 0 ? 'abort' : (this.#take(() => this.#memory.read(message)) ?? 'abort');
    this.#fault ??= new GtpackError(
      'guest_trap',
      `The plugin aborted: ${text.slice(0, 500)} (line ${line}).`,
    );
  }

  /** Prefers what a host function saw to the trap that followed from it. */
  #enter<T>(work: () => T): T {
    let result: T;
    try {
      result = work();
    } catch (trap) {
      throw this.#fault ?? trap;
    }
    if (this.#fault !== undefined) throw this.#fault;
    return result;
  }
}

function importName(name: string): string {
  return `${PLUGIN_PACKAGE}/${name}@${PLUGIN_VERSION}`;
}

function levelOf(text: string): LogLevel {
  return LOG_LEVELS.find((level) => level === text) ?? 'info';
}

function runtimeOf(exports: WebAssembly.Exports): AssemblyScriptRuntime {
  const { memory, __new, __pin, __unpin, __collect } = exports;
  if (
    !(memory instanceof WebAssembly.Memory) ||
    typeof __new !== 'function' ||
    typeof __pin !== 'function' ||
    typeof __unpin !== 'function'
  ) {
    throw new GtpackError(
      'guest_export_missing',
      'The module does not export memory, __new, __pin and __unpin.',
      { cure: 'Compile it with --exportRuntime.' },
    );
  }
  const runtime = { memory, __new, __pin, __unpin };
  return (typeof __collect === 'function'
    ? { ...runtime, __collect }
    : runtime) as unknown as AssemblyScriptRuntime;
}

function envelope(reply: GuestReply): string {
  return reply.kind === 'ok' ? `{"ok":${reply.json}}` : JSON.stringify({ err: reply.problem });
}

/** `{"ok":…}` is passed on as the text inside it, unparsed: whoever uses it bounds and parses it once. */
function parseEnvelope(reply: string): GuestReply {
  if (reply.startsWith(OK_PREFIX) && reply.endsWith('}')) {
    return { kind: 'ok', json: reply.slice(OK_PREFIX.length, -1) };
  }
  if (reply.startsWith('{"err":') && reply.length <= MAX_PROBLEM_CHARACTERS) {
    const problem = readGuestProblem(parseProblem(reply));
    if (problem !== undefined) return { kind: 'problem', problem };
  }
  throw new GtpackError(
    'guest_output_invalid',
    'The plugin returned neither {"ok":…} nor {"err":{"code","message","retryable"}} with a code in snake_case of at most 64 characters.',
  );
}

const MAX_PROBLEM_CHARACTERS = 16_384;

function parseProblem(reply: string): unknown {
  try {
    return (JSON.parse(reply) as { err: unknown }).err;
  } catch {
    return undefined;
  }
}
