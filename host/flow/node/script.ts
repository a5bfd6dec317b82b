import type { LogLevel } from '../../contract.ts';
import type { ScriptNode } from '../flow.ts';
import type { CompiledNode, NodeStep, NodeTools } from './node.ts';

/** What this node type needs of a script engine. */
export interface ScriptCompiler {
  /**
   * Checks a script and runs its helpers' top-level code.
   * @throws GtpackError with the place in the flow's file, or in the helper
   */
  compile(source: {
    /** For messages. */
    readonly file: string;
    /** Place of the script's first character, 1-based. */
    readonly line: number;
    readonly column: number;
    readonly source: string;
    /** Modules whose exports are globals of the script, by file name. */
    readonly helpers: Readonly<Record<string, string>>;
    /** Asked every few thousand instructions; true ends the compilation. */
    shouldStop(): boolean;
  }): CompiledScript;
}

export interface CompiledScript {
  /**
   * @returns JSON text of the script's value
   * @throws GtpackError with the place in the flow's file
   */
  run(run: {
    /** JSON texts by the name of the global that each becomes. */
    readonly scope: Readonly<Record<string, string>>;
    /** What the script's clock says, in milliseconds since the Unix epoch. */
    readonly now: number;
    /** Of the script's random numbers; 32 bits. */
    readonly seed: number;
    /** Asked every few thousand instructions; true ends the run. */
    shouldStop(): boolean;
    onConsole(level: LogLevel, line: string): void;
  }): string;
}

/** A script is stopped a little before its slice ends: past it the watchdog ends the whole cell. */
const SLICE_SHARE = 0.8;

export function compileScript(node: ScriptNode, tools: NodeTools): CompiledNode {
  const { script: source, line, column } = node.config;
  const { file, name, scripts: helpers } = tools.flow;
  const deadline = (cpuMs: () => number): (() => boolean) => {
    const end = cpuMs() + tools.cpuSliceMs * SLICE_SHARE;
    return () => cpuMs() > end;
  };
  const script = tools.host.guard(`flow ${name}, node ${node.id}`, () =>
    tools.scripts.compile({
      file,
      line,
      column,
      source,
      helpers,
      shouldStop: deadline(() => tools.host.cpuMs()),
    }),
  );
  const stopsFor = (step: NodeStep): (() => boolean) => {
    const isOver = deadline(() => step.host.cpuMs());
    return () => isOver() || step.leftMs() < 0;
  };
  return {
    run(step) {
      // Clock and randomness come from the event and the run, so that a redelivered run computes the same again.
      const seed = Number.parseInt(step.key.slice(0, 8), 16);
      const scope = step.scope.texts();
      const output = step.guard(() =>
        script.run({
          scope,
          seed,
          now: step.event.head.timestamp,
          shouldStop: stopsFor(step),
          onConsole: (level, text) => step.log(level, text),
        }),
      );
      return { output };
    },
  };
}
