import variant from '@jitl/quickjs-wasmfile-release-sync';
import { newVariant, type QuickJSSyncVariant } from 'quickjs-emscripten-core';
import { deterministicImports, type ImportHooks } from './deterministic-imports.ts';

/** Address of a JSValue in QuickJS's linear memory. */
export type Handle = number;

/** The part of quickjs-emscripten's low-level interface that is used here; pointers are plain numbers. */
export interface LibraryFunctions {
  QTS_NewRuntime(): number;
  QTS_RuntimeSetMaxStackSize(rt: number, bytes: number): void;
  QTS_RuntimeEnableInterruptHandler(rt: number): void;
  QTS_RuntimeEnableModuleLoader(rt: number, customNormalize: number): void;
  QTS_NewContext(rt: number, intrinsics: number): number;
  QTS_NewFunction(ctx: number, name: string, length: number, asConstructor: boolean, id: number): Handle;
  QTS_ArgvGetJSValueConstPointer(argv: number, index: number): Handle;
  QTS_NewFloat64(ctx: number, value: number): Handle;
  QTS_NewString(ctx: number, text: number): Handle;
  QTS_GetString(ctx: number, value: Handle): number;
  QTS_NewError(ctx: number): Handle;
  QTS_Throw(ctx: number, error: Handle): Handle;
  QTS_GetProp(ctx: number, object: Handle, name: Handle): Handle;
  QTS_SetProp(ctx: number, object: Handle, name: Handle, value: Handle): void;
  QTS_GetUndefined(): Handle;
  QTS_Eval(ctx: number, code: number, length: number, file: string, detect: number, flags: number): Handle;
  QTS_Call(ctx: number, fn: Handle, self: Handle, count: number, argv: number): Handle;
  QTS_ResolveException(ctx: number, value: Handle): Handle;
  QTS_IsJobPending(rt: number): number;
  QTS_ExecutePendingJob(rt: number, max: number, contextOut: number): Handle;
  QTS_PromiseState(ctx: number, value: Handle): number;
  QTS_PromiseResult(ctx: number, value: Handle): Handle;
}

/** The emscripten glue: what it exports to us, and the callbacks that it calls. */
export interface Glue {
  callbacks: {
    callFunction(a: unknown, ctx: number, self: Handle, argc: number, argv: number, id: number): number;
    shouldInterrupt(a: unknown, rt: number): number;
    loadModuleSource(a: unknown, rt: number, ctx: number, name: string): number;
    normalizeModule(a: unknown, rt: number, ctx: number, base: string, request: string): number;
    freeHostRef(): void;
  };
  _malloc(bytes: number): number;
  _free(pointer: number): void;
}

type GlueLoader = () => Promise<Glue>;
type FunctionsOf = new (glue: Glue) => LibraryFunctions;

// The package declares the types of its CommonJS file for both; what `import` gives is the variant itself.
const BASE = variant as unknown as QuickJSSyncVariant;

/**
 * Imports the library's own files ahead of time, for a thread that gives up its permission to read before it makes an
 * engine.
 */
export async function loadScriptEngine(): Promise<void> {
  await Promise.all([BASE.importModuleLoader(), BASE.importFFI()]);
}

/** quickjs-emscripten's build of QuickJS, instantiated. */
export interface Library {
  readonly glue: Glue;
  /** Bound to the newest instance. */
  functions(): LibraryFunctions;
  /** A new instance of the module, with its stack pointer at the start, on the same memory. */
  restart(): void;
}

/** Instantiates the module on a fresh memory. `onInstance` is called before any of its code has run. */
export async function loadLibrary(
  wasmModule: WebAssembly.Module,
  memory: WebAssembly.Memory,
  hooks: ImportHooks,
  onInstance: () => void,
): Promise<Library> {
  let restart: (() => void) | undefined;
  const capped = newVariant(BASE, {
    wasmMemory: memory,
    emscriptenModule: {
      instantiateWasm(imports, receive) {
        const safeImports = deterministicImports(imports, memory, hooks);
        restart = () => receive(new WebAssembly.Instance(wasmModule, safeImports));
        const instance = new WebAssembly.Instance(wasmModule, safeImports);
        onInstance();
        receive(instance);
        return instance.exports;
      },
    },
  });
  const [loader, importedFunctions] = await Promise.all([capped.importModuleLoader(), capped.importFFI()]);
  // The library's branded pointers are narrowed to the interfaces above.
  const glue = await (loader as unknown as GlueLoader)();
  const FunctionsOf = importedFunctions as unknown as FunctionsOf;
  if (restart === undefined)
    throw new Error('the script engine’s build has changed: it was not instantiated');
  return { glue, restart, functions: () => new FunctionsOf(glue) };
}
