import { GtpackError } from '../errors.ts';
import type { CellProgram, OpenProgram } from '../sandbox/cell-runtime.ts';
import type { CellStart, RunOrder } from '../sandbox/protocol.ts';
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

const CLOCKS = {
  now: Date.now,
  cpuMs: (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

/** Makes a tenant's flows ready in its cell. */
export const openFlowProgram: OpenProgram = async (start, opening): Promise<CellProgram> => {
  const { flows, scriptModule } = start.spec.program as FlowProgramSpec;
  const program = new FlowProgram(flows, {
    limits: start.spec.limits,
    scripts: await scriptEngine(start, scriptModule),
    host: { ...CLOCKS, guard: (_label, stretch) => opening.guard(stretch) },
  });
  return {
    problems: program.problems(),
    run(json, orders, { guard, effect, respond, log }) {
      const event = new RunEvent(json);
      const host = {
        ...CLOCKS,
        effect,
        respond,
        log,
        guard: <T>(_: string, stretch: () => T): T => guard(stretch),
      };
      return Promise.all(orders.map((order: RunOrder) => program.run(order, event, host)));
    },
  };
};

function scriptEngine(start: CellStart, digest: string): Promise<ScriptEngine> {
  const wasmModule = start.modules.get(digest);
  if (wasmModule === undefined) {
    throw new GtpackError('plugin_invalid', 'The script engine did not reach the cell.');
  }
  const { maxLogLinesPerCall, maxLogLineBytes, maxEventBytes } = start.spec.limits;
  return ScriptEngine.create({
    wasmModule,
    maxConsoleLines: maxLogLinesPerCall,
    maxConsoleLineBytes: maxLogLineBytes,
    maxResultBytes: maxEventBytes,
  });
}
