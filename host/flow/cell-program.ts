import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { GtpackError } from '../errors.ts';
import type { OpenProgram } from '../sandbox/program.ts';
import type { CellStart } from '../sandbox/protocol.ts';
import { FlowProgram } from './executor.ts';
import type { Flow } from './flow.ts';
import type { FlowHost } from './flow-host.ts';
import { RunEvent } from './scope.ts';
import { ScriptEngine } from './script/engine.ts';

/** What a cell is told about a tenant's flows. */
export interface FlowProgramSpec {
  readonly flows: readonly Flow[];
  /** Digest of the script engine's module, which is among the modules of the cell. */
  readonly scriptModule: string;
}

/** The clocks of the cell's thread, and its chance; see FlowHost. */
export type CellClocks = Pick<FlowHost, 'now' | 'cpuMs' | 'after' | 'random'>;

/**
 * Making the script engine holds the thread for 30 ms and more. What wakes a cell is a webhook or a tick, which a plugin
 * answers without it, and which becomes a run only when it is durable: so the plugin goes first.
 */
const FIRST_ANSWER_MS = 5;

/** Makes a tenant's flows ready in its cell. */
export function flowProgram(clocks: CellClocks): OpenProgram {
  return async (start, opening) => {
    const { flows, scriptModule } = start.spec.program as FlowProgramSpec;
    await pause(FIRST_ANSWER_MS);
    // For what was answered to leave the thread.
    await nextTurn();
    const program = new FlowProgram(flows, {
      without: start.spec.without ?? [],
      limits: start.spec.limits,
      scripts: await scriptEngine(start, scriptModule),
      host: { ...clocks, guard: (label, stretch) => opening.guard(sourceOf(label), stretch) },
    });
    return {
      problems: program.problems(),
      run(json, orders, { guard, ...reach }) {
        const event = new RunEvent(json);
        const host: FlowHost = {
          ...clocks,
          ...reach,
          guard: (label, stretch) => guard(sourceOf(label), stretch),
        };
        return Promise.all(orders.map((order) => program.run(order, event, host)));
      },
    };
  };
}

/** Of a label such as `flow orders, node total`; no name holds a comma. */
function sourceOf(label: string): string {
  return `flow:${label.slice('flow '.length).split(',', 1)[0]}`;
}

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
