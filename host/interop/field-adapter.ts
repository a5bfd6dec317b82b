import type { PluginImport } from '../contract.ts';
import { PLUGIN_IMPORTS } from '../contract.ts';
import { WASI } from '../pack/plugin-interface.ts';
import type { WasmInterface } from '../pack/wasm-interface.ts';
import { type FieldCall, type FieldFunction, fieldCallOf } from './field-exports.ts';
import { capabilityOf, type FieldImport, fieldImportsOf, waits } from './field-imports.ts';

/**
 * Components that were built for other hosts of the same format, made to look like plugins of this one. What they are is
 * told once, by their types, when a pack is read; what comes of it is plain data that goes to the cell.
 *
 * - field-exports: how one is called. field-imports: what it asks for. field-value: values as the glue has them.
 * - field-binding: both in the cell, on top of the same broker, grants and limits as for the host's own interfaces; with
 *   field-invocation (how an operation is called), field-reply (what comes of it), field-host (what is asked of the host),
 *   typed-json and typed-json-output (values of any type as JSON).
 */
export interface FieldAdapter {
  readonly call: FieldCall;
  readonly imports: readonly FieldImport[];
  /** Every interface that the glue may ask for, also those of types alone. */
  readonly interfaces: readonly string[];
}

/** What keeps a component from being adapted. */
export interface FieldFault {
  readonly message: string;
  readonly cure: string;
}

/** @returns the adapter, or every reason why there is none */
export function fieldAdapterOf(wasm: WasmInterface): FieldAdapter | readonly FieldFault[] {
  const call = fieldCallOf(wasm);
  const { known, unknown } = fieldImportsOf(wasm);
  const faults: FieldFault[] = unknown.map((name) => ({
    message: `The component imports ${name}, which this host does not offer.`,
    cure: 'Build the component without it.',
  }));
  if (call === undefined) {
    faults.push({
      message: 'The component exports no interface that this host knows how to call.',
      cure: 'Export gtpack:plugin, or schema-core-api or component/node of the format in the field.',
    });
  }
  faults.push(...doubled(known));
  if (call === undefined || faults.length > 0) return faults;
  const interfaces = wasm.imports.map(({ module }) => module).filter((name) => !WASI.test(name));
  return { call, imports: known, interfaces };
}

/** The glue links an interface once, whatever its versions: functions of one would get values of another's types. */
function doubled(imports: readonly FieldImport[]): FieldFault[] {
  const versions = new Map<string, string>();
  const faults = new Map<string, FieldFault>();
  for (const { instance } of imports) {
    const name = withoutVersion(instance);
    const other = versions.get(name);
    versions.set(name, instance);
    if (other === undefined || other === instance) continue;
    faults.set(name, {
      message: `The component imports two versions of one interface, ${other} and ${instance}.`,
      cure: 'Build the component against one of them.',
    });
  }
  return [...faults.values()];
}

/** The glue asks for interfaces without their versions. */
export function withoutVersion(name: string): string {
  return name.replace(/@[^@]*$/, '');
}

export function isFieldAdapter(found: FieldAdapter | readonly FieldFault[]): found is FieldAdapter {
  return !Array.isArray(found);
}

/** What a component's imports have to be granted, in the order of the contract. */
export function capabilitiesOf({ imports }: FieldAdapter): PluginImport[] {
  const asked = new Set(imports.map(({ role }) => capabilityOf(role)));
  return PLUGIN_IMPORTS.filter((name) => asked.has(name));
}

function calledExports(call: FieldCall): string[] {
  if (call.kind === 'functions') return call.functions.map(exportName);
  if (call.kind === 'schema_core') {
    const { instance } = call;
    return ['describe', 'healthcheck', 'validate-config', 'invoke'].map((fn) => exportName({ instance, fn }));
  }
  const main = { instance: call.instance, fn: call.kind === 'run_cbor' ? 'run' : 'invoke' };
  return [main, ...(call.description === null ? [] : [call.description])].map(exportName);
}

function exportName({ instance, fn }: Pick<FieldFunction, 'instance' | 'fn'>): string {
  return instance === null ? fn : `${instance}#${fn}`;
}

/** Functions that suspend the component, and exports that may be suspended, as jco names them. */
export function fieldWaitsOf({ call, imports }: FieldAdapter): {
  readonly imports: string[];
  readonly exports: string[];
} {
  const waiting = imports.filter(({ role }) => waits(role)).map(({ instance, fn }) => `${instance}#${fn}`);
  return { imports: waiting, exports: waiting.length === 0 ? [] : calledExports(call) };
}
