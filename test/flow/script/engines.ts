import { afterAll } from 'vitest';
import { ScriptEngine, type ScriptEngineOptions } from '../../../host/flow/script/engine.ts';
import { loadScriptWasm } from '../../../host/flow/script/script-wasm.ts';

export interface Trial {
  readonly helpers?: Readonly<Record<string, string>>;
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly now?: number;
  readonly seed?: string | number;
  readonly column?: number;
  readonly shouldStop?: () => boolean;
  readonly onConsole?: (level: string, line: string) => void;
}

/** An engine for a test file, and how to try a script on it. The script stands at line 8 of `flow.ygtc`. */
export async function newTrials(options: Omit<ScriptEngineOptions, 'wasmModule'> = {}) {
  const wasmModule = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
  const engine = await ScriptEngine.create({ ...options, wasmModule });
  afterAll(() => engine.dispose());

  const compile = (source: string, trial: Trial = {}) =>
    engine.compile({
      file: 'flow.ygtc',
      line: 8,
      column: trial.column ?? 1,
      source,
      helpers: trial.helpers ?? {},
      shouldStop: () => false,
    });
  const start = (script: ReturnType<typeof compile>, trial: Trial = {}): string =>
    script.run({
      scope: Object.fromEntries(
        Object.entries(trial.scope ?? {}).map(([name, value]) => [name, JSON.stringify(value)]),
      ),
      now: trial.now ?? 0,
      seed: trial.seed ?? 'seed',
      shouldStop: trial.shouldStop ?? (() => false),
      onConsole: trial.onConsole ?? (() => undefined),
    });
  /** The JSON text that a script gives. */
  const run = (source: string, trial: Trial = {}): string => {
    const script = compile(source, trial);
    try {
      return start(script, trial);
    } finally {
      script.dispose();
    }
  };
  const value = (source: string, trial: Trial = {}): unknown => JSON.parse(run(source, trial));
  /** A stop after so many questions: the same on every machine, unlike a clock. */
  const stopAfter = (questions: number): (() => boolean) => {
    let asked = 0;
    return () => ++asked > questions;
  };
  return { engine, compile, start, run, value, stopAfter };
}
