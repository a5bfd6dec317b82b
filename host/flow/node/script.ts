import type { LogLevel } from '../../contract.ts';
import type { ScriptNode } from '../flow.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** What this node type needs of a script engine. */
export interface ScriptCompiler {
  /** @throws GtpackError with the place of a syntax error in the flow's file */
  compile(source: {
    /** For messages. */
    readonly file: string;
    /** Place of the script's first character, 1-based. */
    readonly line: number;
    readonly column: number;
    readonly source: string;
    /** Modules whose exports are globals of the script, by file name. */
    readonly helpers: Readonly<Record<string, string>>;
  }): CompiledScript;
}

export interface CompiledScript {
  /**
   * @param scope JSON texts by the name of the global that each becomes
   * @returns JSON text of the script's value
   * @throws GtpackError with the place in the flow's file
   */
  run(scope: Readonly<Record<string, string>>, options: ScriptOptions): string;
}

export interface ScriptOptions {
  /** What the script's clock says, in milliseconds since the Unix epoch. */
  readonly now: number;
  /** Of the script's random numbers; 32 bits. */
  readonly seed: number;
  readonly onConsole: (level: LogLevel, line: string) => void;
}

/** Spreads consecutive ordinals over the seeds: the golden ratio's bits. */
const SEED_STEP = 0x9e3779b1;

export function compileScript(node: ScriptNode, tools: NodeTools): CompiledNode {
  const { script: source, line, column } = node.config;
  const { file, name, scripts: helpers } = tools.flow;
  const script = tools.scripts.compile({ file, line, column, source, helpers });
  return {
    run(step) {
      // Clock and randomness come from the event and the run, so that a redelivered run computes the same again.
      const seed = (Number.parseInt(step.runId.slice(0, 8), 16) ^ Math.imul(step.ordinal, SEED_STEP)) >>> 0;
      const output = step.guard(() =>
        script.run(step.scope.texts(), {
          now: step.event.head.timestamp,
          seed,
          onConsole: (level, text) => step.host.log(`flow:${name}`, level, text),
        }),
      );
      return { output };
    },
  };
}
