import { CompiledScript } from './compiled-script.ts';
import { type HelperImage, type HelperSources, loadHelpers, refuseNul } from './helper-image.ts';
import { Machine } from './machine.ts';
import { EVAL_COMPILE_ONLY, EVAL_GLOBAL } from './quickjs.ts';
import { countLines, EVALUATED, SourceMap, scriptError } from './script-error.ts';

export interface ScriptEngineOptions {
  /** Compiled from the bytes of `loadScriptWasm`. */
  readonly wasmModule: WebAssembly.Module;
  /** Of QuickJS's linear memory, its C stack of 5 MiB included; at least 16 MiB. Default 32 MiB. */
  readonly maxMemoryBytes?: number;
  /** Of the C stack, about 200 bytes a nested call; 64 KiB to 4 MiB. Default 256 KiB. */
  readonly maxStackBytes?: number;
  /** Of one run; one more says that the rest is left out. Default 100. */
  readonly maxConsoleLines?: number;
  /** Of UTF-8; longer lines are cut. Default 8 KiB. */
  readonly maxConsoleLineBytes?: number;
  /** Of a script's value as JSON text. Default 1 MiB. */
  readonly maxResultBytes?: number;
}

export interface ScriptText {
  /** For messages. */
  readonly file: string;
  /** Where `source` begins in `file`, 1-based. */
  readonly line: number;
  /** Where each line of `source` begins in `file`, 1-based. Default 1. */
  readonly column?: number;
  readonly source: string;
  /** ES modules whose exports the script sees as globals, by file name. */
  readonly helpers: HelperSources;
  /** True ends the loading of helpers; asked every few thousand instructions. */
  shouldStop(): boolean;
}

const MiB = 1024 * 1024;

/**
 * Runs the scripts of one tenant's flows: JavaScript in QuickJS, itself WebAssembly, in a capped memory.
 *
 *   quickjs-library.ts         the library's build of QuickJS, instantiated
 *   quickjs.ts                 one instance of QuickJS; guest memory and handles
 *   deterministic-imports.ts   its clock and time zone
 *   snapshot.ts                its memory, saved and restored
 *   bootstrap.ts               what every context holds before a script sees it
 *   machine.ts                 how guest code is entered and left
 *   helper-image.ts            a context with helper modules
 *   compiled-script.ts         a script and its runs
 *   script-error.ts            errors and their places
 *
 * Promises: E1 a run sees nothing of an earlier run. E2 it sees only its inputs, and cannot change them; clock and
 * random numbers come from its caller. E3 it reaches nothing but `onConsole`. E4 whatever it does, the next run works.
 *
 * Nothing here reads a file. It is synchronous, and `shouldStop` is asked by a count of instructions, not by a clock:
 * slow ones (a built-in function on a large value, an error thrown 10,000 times from the bottom of a deep stack) have to
 * be ended from outside, with their thread.
 */
export class ScriptEngine {
  readonly #maxResultBytes: number;
  readonly #scripts = new Set<CompiledScript>();
  readonly #images = new Map<string, { readonly image: HelperImage; users: number }>();
  #machine: Machine | undefined;

  private constructor(machine: Machine, maxResultBytes: number) {
    this.#machine = machine;
    this.#maxResultBytes = maxResultBytes;
  }

  /** @throws RangeError for a memory or stack out of bounds; Error if the module is not the build known here. */
  static async create(options: ScriptEngineOptions): Promise<ScriptEngine> {
    const machine = await Machine.create(options.wasmModule, {
      maxMemoryBytes: options.maxMemoryBytes ?? 32 * MiB,
      maxStackBytes: options.maxStackBytes ?? 256 * 1024,
      maxConsoleLines: options.maxConsoleLines ?? 100,
      maxConsoleLineBytes: options.maxConsoleLineBytes ?? 8192,
    });
    return new ScriptEngine(machine, options.maxResultBytes ?? MiB);
  }

  /**
   * Checks a script and loads its helpers, once for all scripts with the same ones. Whoever compiles disposes.
   *
   * @throws GtpackError `script_syntax`, `script_helper_invalid`, `script_threw` (a helper did, while it was loaded),
   * `script_timeout`, `script_out_of_memory`, `script_stack_overflow`, `guest_trap`.
   */
  compile(text: ScriptText): CompiledScript {
    const machine = this.#live();
    const { file, line, source, helpers } = text;
    refuseNul(file, source, line);
    const place = { file, line };
    const sources = new SourceMap(
      { file, firstLine: line, lineCount: countLines(source), indent: (text.column ?? 1) - 1 },
      helpers,
    );
    // Lines of the script become the file's own, and tell it from text that the script itself evaluates.
    const padded = '\n'.repeat(line - 1) + source;
    machine.visit({
      start: machine.base,
      place,
      reach: {
        now: () => 0,
        shouldStop: () => text.shouldStop(),
        onConsole: () => undefined,
        resolveModule: () => undefined,
        moduleSource: () => undefined,
      },
      explain: (thrown) => scriptError(thrown, 'script_syntax', sources),
      work: () => machine.quickjs.evaluate(padded, EVALUATED, EVAL_GLOBAL | EVAL_COMPILE_ONLY),
    });
    const key = JSON.stringify(Object.entries(helpers).sort(([a], [b]) => (a < b ? -1 : 1)));
    const held = this.#images.get(key) ?? {
      image: loadHelpers(machine, helpers, () => text.shouldStop()),
      users: 0,
    };
    held.users++;
    this.#images.set(key, held);
    const script = new CompiledScript({
      machine,
      image: held.image,
      source: padded,
      place,
      sources,
      maxResultBytes: this.#maxResultBytes,
      release: () => {
        this.#scripts.delete(script);
        held.users--;
        if (held.users === 0) this.#images.delete(key);
      },
    });
    this.#scripts.add(script);
    return script;
  }

  /** Bytes held: the linear memory as far as it has grown, and the snapshots. */
  memoryBytes(): number {
    const machine = this.#live();
    const images = [...this.#images.values()].map(({ image }) => image.snapshot);
    const snapshots = new Set([machine.base, ...images]);
    let total = machine.quickjs.memory.buffer.byteLength;
    for (const snapshot of snapshots) total += snapshot.byteLength;
    return total;
  }

  /** Disposes of its scripts too. Idempotent. */
  dispose(): void {
    for (const script of this.#scripts) script.dispose();
    this.#machine = undefined;
  }

  #live(): Machine {
    if (this.#machine === undefined) throw new Error('the script engine has been disposed of');
    return this.#machine;
  }
}
