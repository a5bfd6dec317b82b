import { type ChildProcess, fork } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { versions } from 'node:process';
import { entryUrl } from '../entry.ts';
import { SectionFault } from '../wasm-reader.ts';
import { onlyLargeFunctions } from './large-functions.ts';
import { lockedDownCompiler } from './lockdown.ts';

/** What the compiling process is sent: one module at a time. */
export interface TrialRequest {
  readonly bytes: Uint8Array;
  /** Resident memory at which the process ends itself. */
  readonly memoryBytes: number;
}

/** What it answers, if it lives. */
export type TrialReply = { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly message: string };

/** Why a module is refused. */
export interface TrialFault {
  readonly kind: 'invalid' | 'memory' | 'time';
  readonly detail: string;
}

export interface CompileTrialOptions {
  /** Made if it does not exist. Holds one empty file a module that was compiled, named by its digest and V8's version. */
  readonly cacheDir: string;
  /** For one module. */
  readonly wallMs: number;
  readonly memoryBytes: number;
  /** Hears of each process that is started. */
  readonly onStarted?: (child: ChildProcess) => void;
}

type Compiler = 'baseline' | 'optimizing';

type Outcome =
  | TrialReply
  /** It ended itself at its bound. */
  | { readonly kind: 'over' }
  | { readonly kind: 'late' }
  /** Something else ended it: V8 itself, or the system. */
  | { readonly kind: 'lost'; readonly signal: string };

/** By which the process ends itself at its bound of memory: nobody else uses it, and Node does not hear it. */
export const MEMORY_SIGNAL = 'SIGUSR2';

/**
 * Compiles core modules once, where it harms nobody, before any shared cell host compiles them: V8 neither interrupts its
 * compilers nor bounds what they hold. The baseline compiler, which a cell runs at a function's first call, takes all of
 * a module; the optimizing one, which it runs for those that are called often, the large functions, or the engine that
 * each TypeScript provider brings would take it seconds.
 *
 * Not covered is what the optimizing compiler makes of one function at run time by what it has seen of its calls:
 * it may inline others than here. A cell host bounds its memory for that; see supervisor.ts.
 */
export class CompileTrial {
  readonly #options: CompileTrialOptions;

  constructor(options: CompileTrialOptions) {
    this.#options = options;
  }

  /**
   * Modules that passed before, under the same V8, are not compiled again; all others share one process for each compiler,
   * and a new one after each that ended it. So a fault is never that of the modules before.
   * @param modules by digest
   * @returns those that must not reach a cell host
   */
  async faults(modules: ReadonlyMap<string, Uint8Array>): Promise<ReadonlyMap<string, TrialFault>> {
    const { cacheDir } = this.#options;
    await mkdir(cacheDir, { recursive: true });
    const known = new Set(await readdir(cacheDir));
    const left = new Map([...modules].filter(([digest]) => !known.has(passName(digest))));
    // Side by side; where both find fault, that of the baseline compiler counts, which is the surer to be met.
    const [baseline, optimizing] = await Promise.all([
      this.#faultsOf('baseline', left),
      this.#faultsOf('optimizing', new Map([...left].map(([digest, bytes]) => [digest, largeOf(bytes)]))),
    ]);
    const faults = new Map([...optimizing, ...baseline]);
    for (const digest of left.keys()) {
      if (!faults.has(digest)) await writeFile(join(cacheDir, passName(digest)), '');
    }
    return faults;
  }

  async #faultsOf(
    compiler: Compiler,
    modules: ReadonlyMap<string, Uint8Array>,
  ): Promise<Map<string, TrialFault>> {
    const faults = new Map<string, TrialFault>();
    let compiling: TrialProcess | undefined;
    try {
      for (const [digest, bytes] of modules) {
        const used = compiling;
        compiling ??= new TrialProcess(compiler, this.#options);
        let outcome = await compiling.compile(bytes);
        // It may have ended for what the modules before it left behind, or for what else goes on in the machine.
        if ((used !== undefined && isEnd(outcome)) || outcome.kind === 'lost') {
          compiling = new TrialProcess(compiler, this.#options);
          outcome = await compiling.compile(bytes);
        }
        if (isEnd(outcome)) compiling = undefined;
        const fault = this.#faultOf(outcome);
        if (fault !== undefined) faults.set(digest, fault);
      }
    } finally {
      compiling?.end();
    }
    return faults;
  }

  #faultOf(outcome: Outcome): TrialFault | undefined {
    const { wallMs, memoryBytes } = this.#options;
    switch (outcome.kind) {
      case 'ok':
        return undefined;
      case 'failed':
        return { kind: 'invalid', detail: outcome.message.slice(0, 500) };
      case 'late':
        return { kind: 'time', detail: `more than ${wallMs / 1000} s` };
      case 'over':
        return { kind: 'memory', detail: `more than ${memoryBytes / 1024 / 1024} MiB of memory` };
      case 'lost':
        return {
          kind: 'memory',
          detail: `more than a process of its own can give (${outcome.signal}, twice)`,
        };
      default:
        return outcome satisfies never;
    }
  }
}

/** A binary that cannot be taken apart is none, as the baseline compiler will say. */
function largeOf(bytes: Uint8Array): Uint8Array {
  try {
    return onlyLargeFunctions(bytes);
  } catch (error) {
    if (error instanceof SectionFault) return bytes;
    throw error;
  }
}

function isEnd({ kind }: Outcome): boolean {
  return kind === 'over' || kind === 'lost' || kind === 'late';
}

function passName(digest: string): string {
  return `${digest}-compiled-v8-${versions.v8}`;
}

/** A process that compiles modules one after another, until one of them ends it. */
class TrialProcess {
  readonly #child: ChildProcess;
  readonly #options: CompileTrialOptions;

  constructor(compiler: Compiler, options: CompileTrialOptions) {
    this.#options = options;
    this.#child = fork(entryUrl('try-compile'), [compiler], lockedDownCompiler());
    options.onStarted?.(this.#child);
  }

  compile(bytes: Uint8Array): Promise<Outcome> {
    const { wallMs, memoryBytes } = this.#options;
    const child = this.#child;
    return new Promise((resolve) => {
      let isLate = false;
      const deadline = setTimeout(() => {
        isLate = true;
        child.kill('SIGKILL');
      }, wallMs);
      const settle = (outcome: Outcome): void => {
        clearTimeout(deadline);
        child.removeAllListeners();
        resolve(outcome);
      };
      child.once('message', (reply: TrialReply) => settle(reply));
      child.once('error', () => undefined);
      child.once('exit', (code, signal) => {
        if (isLate) settle({ kind: 'late' });
        else if (signal === MEMORY_SIGNAL) settle({ kind: 'over' });
        else settle({ kind: 'lost', signal: signal ?? `exit status ${code}` });
      });
      child.send({ bytes, memoryBytes } satisfies TrialRequest, () => undefined);
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}
