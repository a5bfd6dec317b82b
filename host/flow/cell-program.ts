import { GtpackError } from '../errors.ts';
import type { CellProgram, OpenProgram } from '../sandbox/cell-runtime.ts';
import type { CellStart, RunOutcome } from '../sandbox/protocol.ts';
import { FlowProgram } from './executor.ts';
import type { Flow } from './flow.ts';
import { RunEvent } from './scope.ts';
import { ScriptEngine } from './script/engine.ts';

/** What a cell is told about a tenant's flows. */
export interface FlowProgramSpec {
  readonly flows: readonly Flow[];
  /** Digest of the script engine's module, which is among the modules of the cell. */
  readonly scriptModule: string;
}

/**
 * Makes a tenant's flows ready in its cell. Flows whose scripts do not compile keep the cell from opening.
 * @throws GtpackError with every problem
 */
export const openFlowProgram: OpenProgram = async (start, opening): Promise<CellProgram> => {
  const { flows, scriptModule } = start.spec.program as FlowProgramSpec;
  const host = { now: Date.now, guard: <T>(_label: string, stretch: () => T): T => opening.guard(stretch) };
  const scripts = await scriptEngine(start, scriptModule);
  const program = new FlowProgram(flows, { limits: start.spec.limits, scripts, host });
  const [first, ...rest] = program.problems();
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return {
    run(json, orders, { guard, effect, respond, log }): Promise<RunOutcome[]> {
      const event = new RunEvent(json);
      const runHost = {
        effect,
        respond,
        log,
        now: Date.now,
        guard: <T>(_label: string, stretch: () => T): T => guard(stretch),
      };
      return Promise.all(orders.map((order) => program.run(order, event, runHost)));
    },
  };
};

function scriptEngine(start: CellStart, digest: string): Promise<ScriptEngine> {
  const wasmModule = start.modules.get(digest);
  if (wasmModule === undefined)
    throw new GtpackError('plugin_invalid', 'The script engine did not reach the cell.');
  const { maxLogLinesPerCall, maxLogLineBytes, maxEventBytes } = start.spec.limits;
  return ScriptEngine.create({
    wasmModule,
    maxConsoleLines: maxLogLinesPerCall,
    maxConsoleLineBytes: maxLogLineBytes,
    maxResultBytes: maxEventBytes,
  });
}
