import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { MAX_WAIT_MS, type WaitNode } from '../flow.ts';
import { kindOf } from '../flow-problems.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';
import { compileWaitForEvent } from './wait-event.ts';

/** RFC 3339, section 5.6. Without an offset it would mean another instant on every machine. */
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/i;

/** Lets time pass, or waits for an event: the run is parked meanwhile. After a time it passes its input on. */
export function compileWait(node: WaitNode, tools: NodeTools): CompiledNode {
  const { durationMs, until, event } = node.config;
  if (event !== undefined) return compileWaitForEvent(event, tools);
  if (until === undefined) return { run: (step) => ({ parkedUntil: step.host.now() + (durationMs ?? 0) }) };
  const template = compileValue(until, tools);
  return {
    run(step) {
      const at = instantOf(
        node.id,
        step.guard(() => template.render(step.scope.cel)),
      );
      const ahead = at - step.host.now();
      if (ahead <= MAX_WAIT_MS) return { parkedUntil: at };
      throw invalid(
        `The node ${node.id} would wait for ${Math.ceil(ahead / 86_400_000)} days; at most 31 are allowed.`,
      );
    },
  };
}

/** @returns milliseconds since the Unix epoch */
function instantOf(id: string, value: Json): number {
  const at = instantAt(value);
  if (at !== undefined) return at;
  throw invalid(
    `The node ${id} waits until a time as in "2030-01-31T09:00:00Z", or milliseconds since 1970; ${kindOf(value)} came.`,
  );
}

/** Milliseconds since the Unix epoch; undefined for what is no time. */
export function instantAt(value: Json): number | undefined {
  const at =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && INSTANT.test(value)
        ? Date.parse(value)
        : Number.NaN;
  return Number.isFinite(at) ? at : undefined;
}

function invalid(message: string): GtpackError {
  return new GtpackError('flow_wait_invalid', message);
}
