import { LOG_LEVELS, MAX_STATE_VALUE_BYTES } from '../contract.ts';
import type { ValueType } from '../pack/component-types.ts';
import type { GuestImports, GuestReply } from '../sandbox/plugin.ts';
import { sendHttp } from './field-http.ts';
import { type FieldRole, waitingCapabilityOf, waits } from './field-imports.ts';
import { pairsOf } from './field-pairs.ts';
import { fieldValue } from './field-value.ts';
import { errorValue, type HostCall, outputOf } from './host-call.ts';
import { bytesFromState, stateFromBytes } from './state-bytes.ts';

/** A line is cut to less than this. */
const MAX_LOGGED_CHARACTERS = 8192;

/**
 * The function that a component of the field is linked with. The glue takes what is thrown for the error side of a result.
 * Nothing is thrown before the first answer of `ask` or `refuse` has come: the guest would go on in the same turn, unseen.
 */
export function hostFunction(role: FieldRole, host: GuestImports): (...args: unknown[]) => unknown {
  if (!waits(role)) {
    return (_span, fields) => {
      logFields(fields, host.log);
      return doneValue(role.done);
    };
  }
  const capability = waitingCapabilityOf(role);
  const call: HostCall = {
    ask: (fn, ...texts) => host.ask(capability, fn, texts),
    refuse: (code, message) => host.refuse({ code, message, retryable: false }),
  };
  return async (...args) => {
    switch (role.kind) {
      case 'http_send':
        return sendHttp(role, args, call);
      case 'secret_get':
        return getSecret(role, String(args[0]), call);
      case 'state_read':
        return readState(role.error, String(args[0]), call);
      case 'state_write':
        outputOf(await writeState(String(args[0]), args[1], call), role.error);
        return doneValue(role.done);
      case 'state_delete':
        outputOf(await call.ask('delete', String(args[0])), role.error);
        return doneValue(role.done);
      default:
        return role satisfies never;
    }
  };
}

function doneValue(type: ValueType | null): unknown {
  return type === null ? undefined : fieldValue(type, {});
}

/** One line of all fields; one that is called `level` says how it is meant. */
function logFields(fields: unknown, log: GuestImports['log']): void {
  const pairs = pairsOf(fields);
  const [, level = ''] = pairs.find(([name]) => name === 'level') ?? [];
  const named = level.slice(0, MAX_LOGGED_CHARACTERS).toLowerCase();
  let line = '';
  for (const [name, value] of pairs) {
    if (line.length > MAX_LOGGED_CHARACTERS) break;
    const start = line === '' ? '' : `${line} `;
    line = `${start}${name.slice(0, MAX_LOGGED_CHARACTERS)}=${value.slice(0, MAX_LOGGED_CHARACTERS)}`;
  }
  log?.(LOG_LEVELS.find((each) => each === named) ?? 'info', line);
}

/** For what each code of a refused secret stands in the field, the first that its enum has. */
const SECRET_ERRORS: ReadonlyMap<string, readonly string[]> = new Map([
  ['capability_denied', ['denied', 'permission-denied', 'unauthorized', 'not-found']],
  ['secret_undeclared', ['not-found']],
  ['secret_unavailable', ['not-found']],
]);

async function getSecret(
  { errors }: Extract<FieldRole, { kind: 'secret_get' }>,
  key: string,
  call: HostCall,
): Promise<Uint8Array> {
  const reply = await call.ask('get', key);
  if (reply.kind === 'ok') return Buffer.from(String(JSON.parse(reply.json)));
  const names = [...(SECRET_ERRORS.get(reply.problem.code) ?? []), 'internal'];
  throw names.find((name) => errors.includes(name)) ?? errors.at(-1);
}

async function readState(error: ValueType, key: string, call: HostCall): Promise<Uint8Array> {
  const json = outputOf(await call.ask('get', key), error);
  if (json === 'null') {
    throw errorValue(error, { code: 'not_found', message: 'There is no such key.', retryable: false });
  }
  return bytesFromState(json);
}

function writeState(key: string, bytes: unknown, call: HostCall): Promise<GuestReply> {
  if (bytes instanceof Uint8Array && bytes.length <= MAX_STATE_VALUE_BYTES)
    return call.ask('set', key, stateFromBytes(bytes));
  return call.refuse('state_full', `A value of at most ${MAX_STATE_VALUE_BYTES} bytes was expected.`);
}
