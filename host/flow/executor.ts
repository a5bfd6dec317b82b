import { GtpackError, type Problem } from '../errors.ts';
import { eventBounds } from '../event/json-bounds.ts';
import { eventIds } from '../event/normalize.ts';
import type { CellLimits, RunError, RunOrder, RunOutcome } from '../sandbox/protocol.ts';
import { type CompiledFlow, compileFlow } from './compiled-flow.ts';
import type { Flow } from './flow.ts';
import type { FlowHost } from './flow-host.ts';
import type { ScriptCompiler } from './node/script.ts';
import { Run } from './run.ts';
import { placeOf, RunFailure } from './run-failure.ts';
import { logPlace, type RunEvent, RunScope } from './scope.ts';

export interface ProgramOptions {
  /** Flows that are quarantined, as `flow:<name>`: they are not compiled, and their runs put off. */
  readonly without?: readonly string[];
  readonly limits: CellLimits;
  readonly scripts: ScriptCompiler;
  readonly host: Pick<FlowHost, 'guard' | 'cpuMs'>;
}

/** Versions of flows that stay compiled besides the current ones. */
const MAX_OLDER = 32;

/** A tenant's flows, compiled once for its cell. Runs may overlap. */
export class FlowProgram {
  readonly #flows = new Map<string, CompiledFlow | GtpackError>();
  /** Versions that runs began with before the flows were changed, by digest. */
  readonly #older = new Map<string, CompiledFlow | GtpackError>();
  readonly #compile: (flow: Flow) => CompiledFlow | GtpackError;
  readonly #limits: CellLimits;

  /** A flow that does not compile fails its runs, and leaves the others alone. */
  constructor(flows: readonly Flow[], { limits, scripts, host, without = [] }: ProgramOptions) {
    this.#limits = limits;
    const shared = {
      scripts,
      host,
      bounds: eventBounds(limits),
      cpuSliceMs: limits.cpuSliceMs,
      effectWallMs: limits.effectCallWallMs,
      ids: eventIds(),
    };
    this.#compile = (flow) =>
      without.includes(`flow:${flow.name}`) ? heldBack(flow.name) : compileFlow(flow, shared);
    for (const flow of flows) this.#flows.set(flow.name, this.#compile(flow));
  }

  /** What is wrong with flows that do not compile: scripts, since all else was found when the flow was loaded. */
  problems(): Problem[] {
    return [...this.#flows.values()].flatMap((flow) =>
      flow instanceof GtpackError && flow.code !== 'plugin_quarantined' ? flow.problems : [],
    );
  }

  /** Runs a flow to its end, or on from where its journal ends. Never rejects (F4). */
  async run(order: RunOrder, event: RunEvent, host: FlowHost): Promise<RunOutcome> {
    const startedAt = host.now();
    const versions = this.#versions(order.versions ?? []);
    const flows = (name: string): CompiledFlow | GtpackError => versions.get(name) ?? this.#flow(name);
    const flow = flows(order.flow);
    if (flow instanceof GtpackError) {
      return failedOutcome(order, runErrorOf(flow, null), host.now() - startedAt);
    }
    try {
      // What has begun goes on.
      if (order.journal.length === 0 && !isWanted(flow, order, event, host)) {
        const { runId, flow: name } = order;
        const durationMs = host.now() - startedAt;
        return { runId, flow: name, status: 'passed', journalJson: '[]', durationMs };
      }
    } catch (thrown) {
      const { error } = RunFailure.of(thrown, placeOf(flow, undefined));
      return failedOutcome(order, error, host.now() - startedAt);
    }
    return new Run({ flow, order, event, host, limits: this.#limits, flows, startedAt }).toEnd();
  }

  /** Flows that are not the program's own any more, by their names. */
  #versions(texts: readonly string[]): ReadonlyMap<string, CompiledFlow | GtpackError> {
    const found = new Map<string, CompiledFlow | GtpackError>();
    for (const text of texts) {
      const flow = JSON.parse(text) as Flow;
      const compiled = this.#older.get(flow.digest) ?? this.#compile(flow);
      // The one that was used last stands last.
      this.#older.delete(flow.digest);
      this.#older.set(flow.digest, compiled);
      found.set(flow.name, compiled);
    }
    for (const digest of this.#older.keys()) {
      if (this.#older.size <= MAX_OLDER) break;
      this.#older.delete(digest);
    }
    return found;
  }

  #flow(name: string): CompiledFlow | GtpackError {
    return (
      this.#flows.get(name) ??
      new GtpackError('flow_unknown', `The cell has no flow ${JSON.stringify(name)}; it was removed.`)
    );
  }
}

/** Whether the event is one that the trigger is for; only the cell may ask, since the condition is its tenant's. */
function isWanted(flow: CompiledFlow, order: RunOrder, event: RunEvent, host: FlowHost): boolean {
  const condition = flow.conditions.get(order.trigger);
  if (condition === undefined) return true;
  const { name } = flow.flow;
  return condition({
    scope: new RunScope(event),
    guard: (stretch) => host.guard(`flow ${name}, trigger ${order.trigger}`, stretch),
    note: (text) =>
      host.log({
        source: `flow:${name}`,
        level: 'debug',
        message: `The trigger ${order.trigger} does not want the event: ${text}`,
        place: logPlace(order.runId, event),
      }),
  });
}

function heldBack(flow: string): GtpackError {
  return new GtpackError('plugin_quarantined', `The flow ${flow} is quarantined.`);
}

function failedOutcome(order: RunOrder, error: RunError, durationMs: number): RunOutcome {
  return {
    runId: order.runId,
    flow: order.flow,
    status: 'error',
    error,
    journalJson: `[${order.journal.join(',')}]`,
    durationMs,
  };
}

function runErrorOf(error: GtpackError, node: string | null): RunError {
  return { code: error.code, message: error.message, node, retryable: error.retryable };
}
