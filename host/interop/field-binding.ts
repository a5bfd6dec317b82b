import { GtpackError } from '../errors.ts';
import { type ComponentBinding, exportedFunction } from '../sandbox/component-binding.ts';
import type { GuestImports } from '../sandbox/plugin.ts';
import { type FieldAdapter, withoutVersion } from './field-adapter.ts';
import { hostFunction } from './field-host.ts';
import { invocationOf } from './field-invocation.ts';
import { problemOrThrow } from './field-reply.ts';
import type { Hints } from './field-value.ts';

/** What a cell is told of a component of the field. */
export interface FieldBindingSpec {
  readonly adapter: FieldAdapter;
  readonly env: string;
  readonly tenant: string;
  readonly provider: string;
}

/** What a call may take, as its component is told; the cell's own limits decide. */
const TOLD_DEADLINE_MS = 30_000;

/** @param now milliseconds since the Unix epoch */
export function fieldBinding(spec: FieldBindingSpec, now: () => number): ComponentBinding {
  const { adapter } = spec;
  return {
    link: (imports) => linked(adapter, imports),
    call(exports, name, input, operation) {
      if (name !== 'invoke' || operation === undefined) {
        throw new GtpackError('guest_export_missing', `The component has operations only, and no ${name}.`);
      }
      const invocation = invocationOf(adapter.call, operation, input, () => contextOf(spec, now()));
      if (invocation.kind === 'problem') return invocation;
      const { instance, fn, values, read, error } = invocation;
      const entry = exportedFunction(exports, instance, fn);
      let reply: unknown;
      try {
        reply = entry(...values);
      } catch (thrown) {
        return problemOrThrow(thrown, error);
      }
      return reply instanceof Promise
        ? reply.then(read, (thrown: unknown) => problemOrThrow(thrown, error))
        : read(reply);
    },
  };
}

/** By the names that contexts of the field have for it. */
function contextOf({ env, tenant, provider }: FieldBindingSpec, now: number): Hints {
  return {
    env,
    'env-id': env,
    tenant,
    'tenant-id': tenant,
    'provider-id': provider,
    'component-id': provider,
    'flow-id': provider,
    'step-id': provider,
    'deadline-ms': now + TOLD_DEADLINE_MS,
    'deadline-unix-ms': now + TOLD_DEADLINE_MS,
    attempt: 1,
  };
}

function linked({ imports, interfaces }: FieldAdapter, host: GuestImports): Record<string, unknown> {
  const table: Record<string, Record<string, unknown>> = {};
  for (const name of interfaces) table[withoutVersion(name)] = {};
  for (const { instance, fn, role } of imports) {
    const functions = table[withoutVersion(instance)];
    if (functions !== undefined) functions[fn] = hostFunction(role, host);
  }
  return table;
}
