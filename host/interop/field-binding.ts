import { GtpackError } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { decodeCbor, encodeCbor } from '../pack/cbor.ts';
import { type ComponentBinding, exportedFunction } from '../sandbox/component-binding.ts';
import { readGuestProblem } from '../sandbox/guest-problem.ts';
import { type GuestImports, type GuestReply, MAX_REPLY_BYTES } from '../sandbox/plugin.ts';
import type { FieldAdapter } from './field-adapter.ts';
import type { FieldCall, FieldFunction } from './field-exports.ts';
import { hostFunction } from './field-host.ts';
import { camelCase, fieldValue, type Hints } from './field-value.ts';
import { fromJson, TypedJsonFault, toJson } from './typed-json.ts';

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
      const prepared = callOf(adapter.call, operation, input, () => contextOf(spec, now()));
      if (prepared.kind === 'problem') return prepared;
      const { instance, fn, values, read } = prepared;
      const entry = exportedFunction(exports, instance, fn);
      let reply: unknown;
      try {
        reply = entry(...values);
      } catch (thrown) {
        return problemOrThrow(thrown);
      }
      return reply instanceof Promise ? reply.then(read, problemOrThrow) : read(reply);
    },
  };
}

interface PreparedCall {
  readonly kind: 'call';
  readonly instance: string | null;
  /** As the glue names it. */
  readonly fn: string;
  readonly values: readonly unknown[];
  readonly read: (result: unknown) => GuestReply;
}

function callOf(
  call: FieldCall,
  operation: string,
  input: string,
  context: () => Hints,
): PreparedCall | Extract<GuestReply, { kind: 'problem' }> {
  if (call.kind === 'functions') return functionCall(call.functions, operation, input);
  const { instance } = call;
  switch (call.kind) {
    case 'schema_core': {
      const own = SCHEMA_CORE_OPERATIONS[operation];
      if (own !== undefined)
        return {
          kind: 'call',
          instance,
          fn: own.fn,
          values: own.takesInput ? [utf8(input)] : [],
          read: readJsonBytes,
        };
      return { kind: 'call', instance, fn: 'invoke', values: [operation, utf8(input)], read: readJsonBytes };
    }
    case 'node_json':
      return {
        kind: 'call',
        instance,
        fn: 'invoke',
        values: [fieldValue(call.context, context()), operation, input],
        read: readNodeResult,
      };
    case 'node_cbor': {
      const envelope = fieldValue(call.envelope, { ...context(), 'payload-cbor': cborOf(input) });
      return {
        kind: 'call',
        instance,
        fn: 'invoke',
        values: [operation, envelope],
        read: (reply) => readCbor(field(reply, 'outputCbor')),
      };
    }
    case 'runtime_cbor':
      return { kind: 'call', instance, fn: 'invoke', values: [operation, cborOf(input)], read: readCbor };
    default:
      return call satisfies never;
  }
}

/** @param input an object with a field for each parameter */
function functionCall(
  functions: readonly FieldFunction[],
  operation: string,
  input: string,
): PreparedCall | Extract<GuestReply, { kind: 'problem' }> {
  const found = functions.find(({ instance, fn }) => fn === operation || `${instance}#${fn}` === operation);
  if (found === undefined) return refused('operation_unknown', `There is no function ${operation}.`);
  const { parameters, result } = found.type;
  const fields: unknown = JSON.parse(input);
  try {
    return {
      kind: 'call',
      instance: found.instance,
      fn: camelCase(found.fn),
      values: parameters.map(({ name, type }) =>
        fromJson(type, field(fields, name) as Json | undefined, `input.${name}`),
      ),
      // The glue gives the ok side of a result bare.
      read: (value) => ({
        kind: 'ok',
        json: JSON.stringify(toJson(result?.kind === 'result' ? result.ok : result, value)),
      }),
    };
  } catch (fault) {
    if (!(fault instanceof TypedJsonFault)) throw fault;
    return refused('input_invalid', fault.message);
  }
}

function refused(code: string, message: string): Extract<GuestReply, { kind: 'problem' }> {
  return { kind: 'problem', problem: { code, message, retryable: false } };
}

/** What an interface of this kind has besides its operations, as the glue names it. */
const SCHEMA_CORE_OPERATIONS: Readonly<
  Record<string, { readonly fn: string; readonly takesInput: boolean }>
> = {
  describe: { fn: 'describe', takesInput: false },
  healthcheck: { fn: 'healthcheck', takesInput: false },
  'validate-config': { fn: 'validateConfig', takesInput: true },
};

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

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The input was bounded before it came here. */
function cborOf(input: string): Uint8Array {
  return encodeCbor(JSON.parse(input));
}

function readJsonBytes(result: unknown): GuestReply {
  const bytes = bytesOf(result);
  try {
    return { kind: 'ok', json: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    throw new GtpackError('guest_output_invalid', 'The component returned bytes that are not UTF-8.');
  }
}

function readCbor(result: unknown): GuestReply {
  const bytes = bytesOf(result);
  // Some say nothing where others say null.
  if (bytes.length === 0) return { kind: 'ok', json: 'null' };
  let value: unknown;
  try {
    value = decodeCbor(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GtpackError('guest_output_invalid', `The component returned what is no CBOR: ${reason}.`);
  }
  const json = JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Uint8Array ? Buffer.from(inner).toString('base64') : inner,
  );
  return { kind: 'ok', json };
}

function bytesOf(result: unknown): Uint8Array {
  if (result instanceof Uint8Array && result.length <= MAX_REPLY_BYTES) return result;
  throw new GtpackError(
    'guest_output_invalid',
    `The component returned no list of at most ${MAX_REPLY_BYTES} bytes.`,
  );
}

function readNodeResult(result: unknown): GuestReply {
  const value = field(result, 'val');
  if (field(result, 'tag') === 'err') return problemOf(value);
  if (typeof value === 'string' && value.length <= MAX_REPLY_BYTES) return { kind: 'ok', json: value };
  throw new GtpackError(
    'guest_output_invalid',
    `The component returned no text of at most ${MAX_REPLY_BYTES} bytes.`,
  );
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The glue throws the error side of a result bare; a trap and the glue's own faults are Errors. */
function problemOrThrow(thrown: unknown): GuestReply {
  if (thrown instanceof Error) throw thrown;
  return problemOf(thrown);
}

/** Codes of the field are written in other ways than ours. */
function problemOf(error: unknown): GuestReply {
  const code = field(error, 'code');
  const named = typeof code === 'string' ? code.replace(/[^A-Za-z0-9]+/g, '_').toLowerCase() : '';
  const problem = readGuestProblem({
    code: /^[a-z][a-z0-9_]{0,63}$/.test(named) ? named : 'component_error',
    message:
      typeof error === 'string' ? error : String(field(error, 'message') ?? 'The component gave no message.'),
    retryable: field(error, 'retryable') === true,
  });
  if (problem !== undefined) return { kind: 'problem', problem };
  throw new GtpackError(
    'guest_output_invalid',
    'The component returned neither an output nor an error with a message.',
  );
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

/** The glue asks for interfaces without their versions. */
function withoutVersion(name: string): string {
  return name.replace(/@[^@]*$/, '');
}
