import type { PluginImport, WaitingImport } from '../contract.ts';
import type { FunctionType, ValueType } from '../pack/component-types.ts';
import { functionText } from '../pack/component-types.ts';
import { WASI } from '../pack/plugin-interface.ts';
import type { WasmInterface } from '../pack/wasm-interface.ts';
import { fieldOf, isBytes, isPrimitive } from './field-value.ts';

/** A function of another host that a component asks for, and what of this one's answers it. Told by its types. */
export interface FieldImport {
  /** With its version. */
  readonly instance: string;
  readonly fn: string;
  readonly role: FieldRole;
}

export type FieldRole =
  /** `send(request, …) → result<response, error>`; `options` is the place of timeout and redirects, if there is one. */
  | {
      readonly kind: 'http_send';
      readonly options: number | null;
      readonly response: ValueType;
      readonly error: ValueType;
    }
  /** `get(key) → result<option<bytes>, enum>` */
  | { readonly kind: 'secret_get'; readonly errors: readonly string[] }
  | { readonly kind: 'state_read'; readonly error: ValueType }
  /** What they answer when it is done says no more than that. */
  | {
      readonly kind: 'state_write' | 'state_delete';
      readonly error: ValueType;
      readonly done: ValueType | null;
    }
  /** `log(span, fields, …) → result<enum, error>` */
  | { readonly kind: 'log_fields'; readonly done: ValueType | null };

const CAPABILITIES: Readonly<Record<FieldRole['kind'], PluginImport>> = {
  http_send: 'http',
  secret_get: 'secrets',
  state_read: 'state',
  state_write: 'state',
  state_delete: 'state',
  log_fields: 'log',
};

/** What has to be requested and granted for a role. */
export function capabilityOf(role: FieldRole): PluginImport {
  return CAPABILITIES[role.kind];
}

/** Whether the guest waits for the answer. */
export function waits(role: FieldRole): role is Exclude<FieldRole, { kind: 'log_fields' }> {
  return role.kind !== 'log_fields';
}

export function waitingCapabilityOf(role: Exclude<FieldRole, { kind: 'log_fields' }>): WaitingImport {
  return role.kind === 'http_send' ? 'http' : role.kind === 'secret_get' ? 'secrets' : 'state';
}

export interface FieldImports {
  readonly known: readonly FieldImport[];
  /** Functions that nothing here answers, with their types, for messages. */
  readonly unknown: readonly string[];
}

export function fieldImportsOf(wasm: WasmInterface): FieldImports {
  const known: FieldImport[] = [];
  const unknown: string[] = [];
  for (const { module, extern } of wasm.imports) {
    if (WASI.test(module)) continue;
    if (extern?.kind !== 'interface') {
      unknown.push(module);
      continue;
    }
    for (const [fn, imported] of extern.exports) {
      if (imported.kind !== 'function') continue;
      const role = roleOf(fn, imported.type);
      if (role === undefined)
        unknown.push(`${module}#${fn}: ${functionText(imported.type).slice(0, MAX_SHOWN)}`);
      else known.push({ instance: module, fn, role });
    }
  }
  return { known, unknown };
}

const MAX_SHOWN = 200;

function roleOf(fn: string, type: FunctionType): FieldRole | undefined {
  if (type.isAsync || type.result?.kind !== 'result') return undefined;
  const { ok, error } = type.result;
  const parameters = type.parameters.map((parameter) => parameter.type);
  const [first, second] = parameters;
  if (isRequest(first)) {
    if (!isPrimitive(fieldOf(ok, 'status'), 'u16') || ok === undefined || error === undefined)
      return undefined;
    const options = parameters.findIndex(
      (each) => each.kind === 'option' && fieldOf(each.value, 'timeout-ms') !== undefined,
    );
    return { kind: 'http_send', options: options < 0 ? null : options, response: ok, error };
  }
  if (fn === 'get' && isPrimitive(first, 'string') && ok?.kind === 'option' && isBytes(ok.value)) {
    return error?.kind === 'enum' && parameters.length === 1
      ? { kind: 'secret_get', errors: error.names }
      : undefined;
  }
  if (isPrimitive(first, 'string') && isError(error)) {
    if (fn === 'read' && isBytes(ok)) return { kind: 'state_read', error };
    const done = ok ?? null;
    if (fn === 'write' && isBytes(second)) return { kind: 'state_write', error, done };
    if (fn === 'delete') return { kind: 'state_delete', error, done };
  }
  if (fn === 'log' && first?.kind === 'record' && isPairs(second))
    return { kind: 'log_fields', done: ok ?? null };
  return undefined;
}

function isRequest(type: ValueType | undefined): boolean {
  return isPrimitive(fieldOf(type, 'method'), 'string') && isPrimitive(fieldOf(type, 'url'), 'string');
}

function isError(type: ValueType | undefined): type is ValueType {
  return isPrimitive(fieldOf(type, 'code'), 'string') && isPrimitive(fieldOf(type, 'message'), 'string');
}

function isPairs(type: ValueType | undefined): boolean {
  return (
    type?.kind === 'list' &&
    type.element.kind === 'tuple' &&
    type.element.elements.length === 2 &&
    type.element.elements.every((element) => isPrimitive(element, 'string'))
  );
}
