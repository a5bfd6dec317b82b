import { ERROR_CODES, errorMessage, GtpackError } from '../errors.ts';
import type { JobResult, RunError, RunOrder } from '../sandbox/protocol.ts';
import type { RunResult } from './settle.ts';

/** One result for each order, whatever the cell answered. */
export function resultsOf(result: JobResult, orders: readonly RunOrder[]): RunResult[] {
  if (result.kind === 'error') {
    const { code, message } = result;
    const retryable = isCode(code) && ERROR_CODES[code].retryable;
    return orders.map((order) => failed(order, { code, message, retryable, node: null }));
  }
  if (result.kind !== 'runs') {
    throw new GtpackError('flow_failed', `The cell answered a run with ${JSON.stringify(result.kind)}.`);
  }
  return orders.map((order) => result.runs.find((run) => run.runId === order.runId) ?? unsaid(order));
}

function unsaid(order: RunOrder): RunResult {
  return failed(order, runErrorOf(new GtpackError('flow_failed', 'The cell said nothing of the run.')));
}

function isCode(code: string): code is keyof typeof ERROR_CODES {
  return Object.hasOwn(ERROR_CODES, code);
}

export function runErrorOf(error: unknown): RunError {
  const known = error instanceof GtpackError;
  return {
    code: known ? error.code : 'flow_failed',
    message: errorMessage(error),
    retryable: known && error.retryable,
    node: null,
  };
}

/** A run that the cell gave no outcome of keeps the journal that it had. */
export function failed(order: RunOrder, error: RunError): RunResult {
  return {
    runId: order.runId,
    flow: order.flow,
    status: 'error',
    error,
    journalJson: `[${order.journal.join(',')}]`,
    durationMs: 0,
  };
}
