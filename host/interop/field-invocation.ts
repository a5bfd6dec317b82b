import type { Json } from '../event/json.ts';
import { encodeCbor } from '../pack/cbor.ts';
import type { ValueType } from '../pack/component-types.ts';
import type { GuestReply } from '../sandbox/plugin.ts';
import type { FieldCall, FieldDescription, FieldFunction } from './field-exports.ts';
import { field, readCbor, readJsonBytes, readJsonText, readNodeResult, readTyped } from './field-reply.ts';
import { camelCase, fieldValue, type Hints } from './field-value.ts';
import { parametersFromJson, TypedJsonFault } from './typed-json.ts';

/** One call of an export, with its values as the glue takes them. */
export interface Invocation {
  readonly kind: 'call';
  readonly instance: string | null;
  /** As the glue names it. */
  readonly fn: string;
  readonly values: readonly unknown[];
  readonly read: (result: unknown) => GuestReply;
  /** Of the error side of the function's result, if it has one. */
  readonly error: ValueType | undefined;
}

type Refusal = Extract<GuestReply, { kind: 'problem' }>;

/** The operations that an interface of this kind has besides its own: each is a function. */
const SCHEMA_CORE_OPERATIONS: ReadonlyMap<string, boolean> = new Map([
  ['describe', false],
  ['healthcheck', false],
  ['validate-config', true],
]);

/** A CBOR map with nothing in it. */
const NO_STATE = Uint8Array.of(0xa0);

/** @param input JSON text, bounded before it came here. @returns a problem for what the component cannot be asked */
export function invocationOf(
  call: FieldCall,
  operation: string,
  input: string,
  context: () => Hints,
): Invocation | Refusal {
  if (call.kind === 'functions') return functionCall(call.functions, operation, input);
  const { instance } = call;
  const invoke = { kind: 'call', instance, fn: 'invoke', error: undefined } as const;
  if (call.kind === 'schema_core') {
    const takesInput = SCHEMA_CORE_OPERATIONS.get(operation);
    if (takesInput === undefined) return { ...invoke, values: [operation, utf8(input)], read: readJsonBytes };
    const values = takesInput ? [utf8(input)] : [];
    return { ...invoke, fn: camelCase(operation), values, read: readJsonBytes };
  }
  if (operation === 'describe' && call.description !== null) return descriptionCall(call.description);
  switch (call.kind) {
    case 'node_json':
      return {
        ...invoke,
        values: [fieldValue(call.context, context()), operation, input],
        read: readNodeResult,
      };
    case 'node_cbor':
      return {
        ...invoke,
        values: [operation, fieldValue(call.envelope, { ...context(), 'payload-cbor': cborOf(input) })],
        read: (reply) => readCbor(field(reply, 'outputCbor')),
      };
    case 'runtime_cbor':
      return { ...invoke, values: [operation, cborOf(input)], read: readCbor };
    case 'run_cbor':
      return {
        ...invoke,
        fn: 'run',
        values: [cborOf(input), NO_STATE],
        read: (reply) => readCbor(field(reply, 'output')),
      };
    default:
      return call satisfies never;
  }
}

function descriptionCall({ instance, fn, form, type: { result } }: FieldDescription): Invocation {
  const read = { json: readJsonText, cbor: readCbor, typed: (value: unknown) => readTyped(result, value) };
  return { kind: 'call', instance, fn: camelCase(fn), values: [], read: read[form], error: errorOf(result) };
}

/** @param input an object with a field for each parameter */
function functionCall(
  functions: readonly FieldFunction[],
  operation: string,
  input: string,
): Invocation | Refusal {
  const found = functions.find(({ instance, fn }) => fn === operation || `${instance}#${fn}` === operation);
  if (found === undefined) {
    const known = functions.map(({ fn }) => fn).join(', ');
    return refused('operation_unknown', `There is no function ${operation}. Known: ${known}.`);
  }
  const { parameters, result } = found.type;
  try {
    return {
      kind: 'call',
      instance: found.instance,
      fn: camelCase(found.fn),
      values: parametersFromJson(parameters, JSON.parse(input) as Json),
      read: (value) => readTyped(result, value),
      error: errorOf(result),
    };
  } catch (fault) {
    if (!(fault instanceof TypedJsonFault)) throw fault;
    return refused('input_invalid', fault.message);
  }
}

function errorOf(result: ValueType | undefined): ValueType | undefined {
  return result?.kind === 'result' ? result.error : undefined;
}

const MAX_MESSAGE_CHARACTERS = 2048;

function refused(code: string, message: string): Refusal {
  const cut = message.slice(0, MAX_MESSAGE_CHARACTERS).toWellFormed();
  return { kind: 'problem', problem: { code, message: cut, retryable: false } };
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function cborOf(input: string): Uint8Array {
  return encodeCbor(JSON.parse(input) as Json);
}
