import type { FunctionType, ValueType } from '../pack/component-types.ts';
import type { WasmInterface } from '../pack/wasm-interface.ts';
import { fieldOf, isBytes, isPrimitive } from './field-value.ts';
import { isJsonType } from './typed-json.ts';

/** What a component says of itself. */
export interface FieldDescription extends FieldFunction {
  /** JSON text, CBOR as bytes, or a value of the function's own type. */
  readonly form: 'json' | 'cbor' | 'typed';
}

/**
 * How a component of the field is called. Told by the types of its functions: one version of an interface has had several
 * shapes, and several versions have had one.
 */
export type FieldCall =
  /** `describe`, `healthcheck`, `validate-config` and `invoke(op, input)`, JSON as bytes. */
  | { readonly kind: 'schema_core'; readonly instance: string }
  /** `invoke(ctx, op, input)`, JSON as text. */
  | (Described & { readonly kind: 'node_json'; readonly instance: string; readonly context: ValueType })
  /** `invoke(op, envelope)`, CBOR. */
  | (Described & { readonly kind: 'node_cbor'; readonly instance: string; readonly envelope: ValueType })
  /** `invoke(op, input)`, CBOR and nothing around it. */
  | (Described & { readonly kind: 'runtime_cbor'; readonly instance: string })
  /** `run(input, state)`, CBOR: it does one thing, whatever that is called. */
  | (Described & { readonly kind: 'run_cbor'; readonly instance: string })
  /** No such interface: each function is an operation, its parameters the fields of the input. */
  | { readonly kind: 'functions'; readonly functions: readonly FieldFunction[] };

interface Described {
  readonly description: FieldDescription | null;
}

export interface FieldFunction {
  /** Without an interface, the component exports it itself. */
  readonly instance: string | null;
  readonly fn: string;
  readonly type: FunctionType;
}

/** Of the calls that a component offers, the one that says most. @returns undefined where it offers none */
export function fieldCallOf(wasm: WasmInterface): FieldCall | undefined {
  const functions = plainFunctions(wasm);
  const described = { description: descriptionOf(functions) };
  const calls = wasm.exports.flatMap(({ name, extern }) => {
    if (extern?.kind !== 'interface') return [];
    const types = new Map<string, FunctionType>();
    for (const [fn, exported] of extern.exports) {
      if (exported.kind === 'function') types.set(fn, exported.type);
    }
    const call = callOf(name, types, described);
    return call === undefined ? [] : [call];
  });
  for (const kind of PREFERENCE) {
    const call = calls.find((each) => each.kind === kind);
    if (call !== undefined) return call;
  }
  return functions.length === 0 ? undefined : { kind: 'functions', functions };
}

/** A function of one of these names that takes nothing, whichever interface has it. */
const DESCRIPTIONS = ['describe', 'get-manifest'];

function descriptionOf(functions: readonly FieldFunction[]): FieldDescription | null {
  for (const name of DESCRIPTIONS) {
    const found = functions.find(({ fn, type }) => fn === name && type.parameters.length === 0);
    if (found === undefined) continue;
    const { result } = found.type;
    const form = isPrimitive(result, 'string') ? 'json' : isBytes(result) ? 'cbor' : 'typed';
    return { ...found, form };
  }
  return null;
}

/** Functions whose values can be written as JSON. */
function plainFunctions(wasm: WasmInterface): FieldFunction[] {
  return wasm.exports
    .flatMap(({ name, extern }): FieldFunction[] => {
      if (extern?.kind === 'function') return [{ instance: null, fn: name, type: extern.type }];
      if (extern?.kind !== 'interface') return [];
      return [...extern.exports].flatMap(([fn, exported]) =>
        exported.kind === 'function' ? [{ instance: name, fn, type: exported.type }] : [],
      );
    })
    .filter(
      ({ type }) =>
        !type.isAsync &&
        isJsonType(type.result) &&
        type.parameters.every((parameter) => isJsonType(parameter.type)),
    );
}

/** An interface that describes itself comes first; JSON before CBOR. */
const PREFERENCE: readonly Exclude<FieldCall['kind'], 'functions'>[] = [
  'schema_core',
  'node_json',
  'node_cbor',
  'runtime_cbor',
  'run_cbor',
];

function callOf(
  instance: string,
  functions: ReadonlyMap<string, FunctionType>,
  described: Described,
): FieldCall | undefined {
  if (isRun(functions.get('run'))) return { kind: 'run_cbor', instance, ...described };
  const invoke = functions.get('invoke');
  if (invoke === undefined || invoke.isAsync) return undefined;
  const [first, second, third, ...more] = invoke.parameters.map(({ type }) => type);
  if (more.length > 0) return undefined;
  const { result } = invoke;
  if (isPrimitive(first, 'string') && isBytes(second) && third === undefined && isBytes(result)) {
    return describesItself(functions)
      ? { kind: 'schema_core', instance }
      : { kind: 'runtime_cbor', instance, ...described };
  }
  if (first?.kind === 'record' && isPrimitive(second, 'string') && isPrimitive(third, 'string')) {
    return isNodeResult(result) ? { kind: 'node_json', instance, context: first, ...described } : undefined;
  }
  if (isPrimitive(first, 'string') && isBytes(fieldOf(second, 'payload-cbor')) && third === undefined) {
    const output = result?.kind === 'result' ? fieldOf(result.ok, 'output-cbor') : undefined;
    return second !== undefined && isBytes(output)
      ? { kind: 'node_cbor', instance, envelope: second, ...described }
      : undefined;
  }
  return undefined;
}

/** `run(input, state) → { output, new-state }`, all of them bytes. */
function isRun(type: FunctionType | undefined): boolean {
  return (
    type !== undefined &&
    !type.isAsync &&
    type.parameters.length === 2 &&
    type.parameters.every((parameter) => isBytes(parameter.type)) &&
    isBytes(fieldOf(type.result, 'output')) &&
    isBytes(fieldOf(type.result, 'new-state'))
  );
}

/** JSON comes with a description; the bare invoke of CBOR has its description in another interface. */
function describesItself(functions: ReadonlyMap<string, FunctionType>): boolean {
  const gives = (name: string, parameters: number): boolean => {
    const type = functions.get(name);
    return type !== undefined && type.parameters.length === parameters && isBytes(type.result);
  };
  return gives('describe', 0) && gives('healthcheck', 0) && gives('validate-config', 1);
}

/** `variant { ok(string), err(record { code, message, … }) }` */
function isNodeResult(type: ValueType | undefined): boolean {
  if (type?.kind !== 'variant') return false;
  const ok = type.cases.find(({ name }) => name === 'ok')?.type;
  const err = type.cases.find(({ name }) => name === 'err')?.type;
  return isPrimitive(ok, 'string') && isPrimitive(fieldOf(err, 'message'), 'string');
}
