import type { PluginExport, PluginImport } from '../contract.ts';
import type { FunctionType, ValueType } from './component-types.ts';

/** The functions of WIT package `gtpack:plugin`, as sdk/wit has them. */

const TEXT: ValueType = { kind: 'primitive', name: 'string' };

const PROBLEM: ValueType = {
  kind: 'record',
  fields: [
    { name: 'code', type: TEXT },
    { name: 'message', type: TEXT },
    { name: 'retryable', type: { kind: 'primitive', name: 'bool' } },
  ],
};

const LEVEL: ValueType = { kind: 'enum', names: ['debug', 'info', 'warn', 'error'] };

/** A function that takes texts and gives one or a problem. */
function texts(...parameters: readonly string[]): FunctionType {
  return {
    isAsync: false,
    parameters: parameters.map((name) => ({ name, type: TEXT })),
    result: { kind: 'result', ok: TEXT, error: PROBLEM },
  };
}

export const EXPORT_TYPES: Readonly<Record<PluginExport, FunctionType>> = {
  ingest: texts('request'),
  tick: texts('tick'),
  handle: texts('event'),
  invoke: texts('operation', 'input'),
};

export const IMPORT_TYPES: Readonly<Record<PluginImport, Readonly<Record<string, FunctionType>>>> = {
  http: { send: texts('request') },
  bus: { publish: texts('events') },
  sendgrid: { send: texts('request') },
  twilio: { send: texts('request') },
  timers: { set: texts('timer'), clear: texts('id'), list: texts('query') },
  state: { get: texts('key'), set: texts('key', 'value'), delete: texts('key') },
  config: { get: { isAsync: false, parameters: [], result: TEXT } },
  log: {
    write: {
      isAsync: false,
      parameters: [
        { name: 'level', type: LEVEL },
        { name: 'message', type: TEXT },
      ],
      result: undefined,
    },
  },
  secrets: { get: texts('name') },
};
