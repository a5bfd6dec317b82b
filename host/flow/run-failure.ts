import { errorMessage, formatProblem, GtpackError, type Problem } from '../errors.ts';
import type { AwaitsEvent, RunError } from '../sandbox/protocol.ts';
import type { CompiledFlow } from './compiled-flow.ts';
import { EffectProblem } from './run-effects.ts';

/** Where in its flow's file a node stands. */
export interface NodePlace {
  readonly file: string;
  readonly line?: number;
  readonly node: string | null;
}

/** @param id undefined for the flow itself */
export function placeOf({ flow, nodes }: CompiledFlow, id: string | undefined): NodePlace {
  const { file } = flow;
  if (id === undefined) return { file, node: null };
  const line = nodes.get(id)?.node.line;
  return { file, ...(line === undefined ? {} : { line }), node: id };
}

/** Why a node, or its run, has failed. */
export class RunFailure extends Error {
  readonly error: RunError;
  /** The message without its place, for the flow itself. */
  readonly plain: string;
  readonly retryAfterMs: number | undefined;

  constructor(error: RunError, plain: string, retryAfterMs?: number) {
    super(error.message);
    this.error = error;
    this.plain = plain;
    this.retryAfterMs = retryAfterMs;
  }

  /** Of what has no place of its own, the message begins with the node's. */
  static of(thrown: unknown, { file, line, node }: NodePlace): RunFailure {
    if (thrown instanceof RunFailure) return thrown;
    const placed = (problem: Omit<Problem, 'code'>): string =>
      formatProblem({ file, ...(line === undefined ? {} : { line }), ...problem, code: 'flow_failed' });
    if (thrown instanceof EffectProblem) {
      const { code, message, retryable, retryAfterMs } = thrown.problem;
      return new RunFailure({ code, message: placed({ message }), node, retryable }, message, retryAfterMs);
    }
    if (thrown instanceof GtpackError) {
      const { code, problems, retryable, retryAfterMs } = thrown;
      const message = problems.map(placed).join('\n');
      return new RunFailure({ code, message, node, retryable }, problems[0].message, retryAfterMs);
    }
    const message = errorMessage(thrown);
    const error = { code: 'flow_failed', message: placed({ message }), node, retryable: false };
    return new RunFailure(error, message);
  }

  /** Whether the flow itself may deal with it: not with what is the host's, nor with a bound of its whole run. */
  get isTheNodes(): boolean {
    return !NOT_THE_NODES.has(this.error.code);
  }
}

const NOT_THE_NODES: ReadonlySet<string> = new Set([
  'bus_unavailable',
  'bus_disk_full',
  'cell_busy',
  'cell_ended',
  'cell_lost',
  'host_stopping',
  'plugin_quarantined',
  'run_taken',
  'journal_invalid',
  'flow_changed',
  'flow_too_many_steps',
  'flow_outputs_too_large',
]);

/** The run goes on later: all that it did is recorded, and nothing holds its cell meanwhile. */
export class PutOff extends Error {
  /** Milliseconds since the Unix epoch. */
  readonly due: number;
  readonly how: {
    /** Its flow makes it wait: it is parked where that is possible. */
    readonly parks: boolean;
    /** What it goes on with before it is due. */
    readonly awaits?: AwaitsEvent;
    /** What it says to an event that it was asked about. */
    readonly isWanted?: boolean;
  };

  constructor(due: number, how: PutOff['how']) {
    super('The run is put off.');
    this.due = due;
    this.how = how;
  }
}
