import { Buffer } from 'node:buffer';
import type { ImportHooks } from './deterministic-imports.ts';
import { type Handle, type Library, type LibraryFunctions, loadLibrary } from './quickjs-library.ts';

export { type Handle, loadScriptEngine } from './quickjs-library.ts';

/** What QuickJS may ask of the host while guest code runs. An exception from one of these stops the guest. */
export interface QuickJsHost extends ImportHooks {
  /** Asked every few thousand instructions; true ends the guest with an exception that it cannot catch. */
  shouldStop(): boolean;
  print(level: string, line: string): void;
  /** The full name of an imported module; undefined refuses it. */
  resolveModule(base: string, request: string): string | undefined;
  moduleSource(name: string): string | undefined;
}

/** A JavaScript exception inside QuickJS; `value` lives until the memory is restored. */
export class GuestThrow extends Error {
  readonly value: Handle;

  constructor(value: Handle) {
    super('the guest threw');
    this.value = value;
  }
}

/** QuickJS could not even allocate what it was asked for. */
export class GuestOutOfMemory extends Error {
  constructor() {
    super('out of memory');
  }
}

export const EVAL_GLOBAL = 0;
export const EVAL_MODULE = 1;
export const EVAL_COMPILE_ONLY = 1 << 5;

export const PROMISE_PENDING = 0;
export const PROMISE_FULFILLED = 1;
export const PROMISE_REJECTED = 2;

/** Begins the name of a module that may not be imported. */
const REFUSED = '\u0001';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * One instance of QuickJS on one capped memory, with one runtime and one context.
 *
 * The only file that touches guest memory and guest handles. Handles are never freed: the memory is restored from a
 * snapshot before the next use, and every handle made since goes with it.
 */
export class QuickJs {
  readonly memory: WebAssembly.Memory;
  /** First exception of a host callback; whoever runs the guest takes and rethrows it. */
  hostFailure: { readonly thrown: unknown } | undefined;
  readonly #host: QuickJsHost;
  readonly #library: Library;
  #fn: LibraryFunctions;
  #runtime = 0;
  #context = 0;
  #bytes: Uint8Array<ArrayBuffer>;

  private constructor(memory: WebAssembly.Memory, host: QuickJsHost, library: Library) {
    this.memory = memory;
    this.#host = host;
    this.#library = library;
    this.#fn = library.functions();
    this.#bytes = new Uint8Array(memory.buffer);
    library.glue.callbacks = {
      callFunction: (_async, _ctx, _self, _argc, argv) => this.#onPrint(argv),
      shouldInterrupt: () => this.#onInterrupt(),
      loadModuleSource: (_async, _rt, _ctx, name) => this.#onLoadModule(name),
      normalizeModule: (_async, _rt, _ctx, base, request) => this.#onNormalize(base, request),
      freeHostRef: () => undefined,
    };
  }

  /**
   * Instantiates the module on `memory`, which must be fresh. `onInstance` sees the memory as the module's data
   * segments left it, before any of its code ran. The runtime and the context are made later, by `open`.
   */
  static async load(
    wasmModule: WebAssembly.Module,
    memory: WebAssembly.Memory,
    host: QuickJsHost,
    onInstance: () => void,
  ): Promise<QuickJs> {
    return new QuickJs(memory, host, await loadLibrary(wasmModule, memory, host, onInstance));
  }

  /** Makes the runtime and the context. */
  open(maxStackBytes: number): void {
    this.#runtime = this.#fn.QTS_NewRuntime();
    this.#fn.QTS_RuntimeSetMaxStackSize(this.#runtime, maxStackBytes);
    this.#fn.QTS_RuntimeEnableInterruptHandler(this.#runtime);
    this.#fn.QTS_RuntimeEnableModuleLoader(this.#runtime, 1);
    this.#context = this.#fn.QTS_NewContext(this.#runtime, 0);
    if (this.#context === 0) throw new GuestOutOfMemory();
  }

  /**
   * A new instance on the same memory, for after a trap: a trap leaves the instance's stack pointer where it was.
   * The caller restores the memory before anything else.
   */
  restart(): void {
    this.#library.restart();
    this.#fn = this.#library.functions();
  }

  /** The memory's present bytes; the view is replaced when the memory grows. */
  bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }

  allocate(bytes: number): number {
    const pointer = this.#library.glue._malloc(bytes);
    if (pointer === 0) throw new GuestOutOfMemory();
    return pointer;
  }

  /** The host function `print(level, line)` as a guest function. */
  printFunction(): Handle {
    return this.#fn.QTS_NewFunction(this.#context, 'print', 2, false, 1);
  }

  /** A guest string. `text` must hold no NUL: the library's strings end there. */
  string(text: string): Handle {
    const { pointer } = this.#writeText(text);
    const value = this.#fn.QTS_NewString(this.#context, pointer);
    this.#library.glue._free(pointer);
    return value;
  }

  number(value: number): Handle {
    return this.#fn.QTS_NewFloat64(this.#context, value);
  }

  /** `flags` are QuickJS's; throws GuestThrow. */
  evaluate(source: string, file: string, flags: number): Handle {
    const { pointer, length } = this.#writeText(source);
    const value = this.#fn.QTS_Eval(this.#context, pointer, length, file, 0, flags);
    this.#library.glue._free(pointer);
    return this.#checked(value);
  }

  /** Throws GuestThrow. */
  call(fn: Handle, args: readonly Handle[]): Handle {
    const argv = args.length === 0 ? 0 : this.allocate(args.length * 4);
    new Uint32Array(this.memory.buffer).set(args, argv >> 2);
    return this.#checked(
      this.#fn.QTS_Call(this.#context, fn, this.#fn.QTS_GetUndefined(), args.length, argv),
    );
  }

  /** Throws GuestThrow. */
  property(object: Handle, name: string): Handle {
    return this.#checked(this.#fn.QTS_GetProp(this.#context, object, this.string(name)));
  }

  /** The value as text, or undefined if it is longer than `maxBytes` of UTF-8. */
  text(value: Handle, maxBytes: number): string | undefined {
    const start = this.#fn.QTS_GetString(this.#context, value);
    if (start === 0) throw new GuestOutOfMemory();
    const bytes = this.bytes();
    const end = bytes.indexOf(0, start);
    return end - start > maxBytes ? undefined : decoder.decode(bytes.subarray(start, end));
  }

  /** -1 for what is no promise. */
  promiseState(value: Handle): number {
    return this.#fn.QTS_PromiseState(this.#context, value);
  }

  promiseResult(value: Handle): Handle {
    return this.#fn.QTS_PromiseResult(this.#context, value);
  }

  /** Runs at most `max` promise jobs; true when none is left. Throws GuestThrow. */
  runJobs(max: number): boolean {
    if (this.#fn.QTS_IsJobPending(this.#runtime) === 0) return true;
    const contextOut = this.allocate(4);
    const outcome = this.#fn.QTS_ExecutePendingJob(this.#runtime, max, contextOut);
    // A number of jobs, or the value that a job threw.
    if (!/^\d+$/.test(this.text(outcome, 32) ?? '')) throw new GuestThrow(outcome);
    return this.#fn.QTS_IsJobPending(this.#runtime) === 0;
  }

  #checked(value: Handle): Handle {
    const thrown = this.#fn.QTS_ResolveException(this.#context, value);
    if (thrown !== 0) throw new GuestThrow(thrown);
    return value;
  }

  #writeText(text: string): { readonly pointer: number; readonly length: number } {
    const length = Buffer.byteLength(text);
    const pointer = this.allocate(length + 1);
    const bytes = this.bytes();
    encoder.encodeInto(text, bytes.subarray(pointer, pointer + length));
    bytes[pointer + length] = 0;
    return { pointer, length };
  }

  /** Runs a host callback. Nothing may be thrown into the guest's frames: it would unwind them like a trap. */
  #guarded<T>(otherwise: T, callback: () => T): T {
    try {
      return callback();
    } catch (thrown) {
      this.hostFailure ??= { thrown };
      return otherwise;
    }
  }

  #onPrint(argv: number): number {
    return this.#guarded(0, () => {
      const [level, line] = [0, 1].map((index) =>
        this.text(this.#fn.QTS_ArgvGetJSValueConstPointer(argv, index), Number.MAX_SAFE_INTEGER),
      );
      this.#host.print(level ?? '', line ?? '');
      return 0;
    });
  }

  #onInterrupt(): number {
    if (this.hostFailure !== undefined) return 1;
    return this.#guarded(1, () => (this.#host.shouldStop() ? 1 : 0));
  }

  /** Cannot refuse by itself: the library takes a null name for an empty one. */
  #onNormalize(base: string, request: string): number {
    return this.#guarded(0, () => {
      const name = this.#host.resolveModule(base, request) ?? REFUSED + request;
      return this.#writeText(name).pointer;
    });
  }

  #onLoadModule(name: string): number {
    return this.#guarded(0, () => {
      const source = name.startsWith(REFUSED) ? undefined : this.#host.moduleSource(name);
      return source === undefined
        ? this.#refuseImport(name.slice(REFUSED.length))
        : this.#writeText(source).pointer;
    });
  }

  #refuseImport(request: string): number {
    const error = this.#fn.QTS_NewError(this.#context);
    const message = this.string(`'${request}' cannot be imported here`);
    this.#fn.QTS_SetProp(this.#context, error, this.string('message'), message);
    this.#fn.QTS_Throw(this.#context, error);
    return 0;
  }
}
