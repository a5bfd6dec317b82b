import { GtpackError } from '../errors.ts';
import { decodeCbor } from '../pack/cbor.ts';
import type { ValueType } from '../pack/component-types.ts';
import { readGuestProblem } from '../sandbox/guest-problem.ts';
import { type GuestReply, MAX_REPLY_BYTES } from '../sandbox/plugin.ts';
import { JsonBudget } from './json-budget.ts';
import { toJson } from './typed-json-output.ts';

/**
 * What components of the field return, as the glue gives it, made the JSON text of a reply. Each is bounded before it is
 * decoded; the text is bounded again, as every provider's is. A throw drops the instance.
 */

/** JSON as bytes. @throws GtpackError `guest_output_invalid` */
export function readJsonBytes(result: unknown): GuestReply {
  const bytes = bytesOf(result);
  try {
    return { kind: 'ok', json: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    throw invalid('The component returned bytes that are not UTF-8.');
  }
}

/** JSON as text. @throws GtpackError `guest_output_invalid` */
export function readJsonText(result: unknown): GuestReply {
  if (typeof result === 'string' && result.length <= MAX_REPLY_BYTES) return { kind: 'ok', json: result };
  throw invalid(`The component returned no text of at most ${MAX_REPLY_BYTES} bytes.`);
}

/** @throws GtpackError `guest_output_invalid` */
export function readCbor(result: unknown): GuestReply {
  const bytes = bytesOf(result);
  // Some say nothing where others say null.
  if (bytes.length === 0) return { kind: 'ok', json: 'null' };
  let value: unknown;
  try {
    value = decodeCbor(bytes, { beyondJson: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`The component returned CBOR that this host does not read: ${reason}.`);
  }
  return { kind: 'ok', json: JSON.stringify(value, (_key, inner: unknown) => jsonOf(inner)) };
}

/** What JSON lacks, as typed-json has it. */
function jsonOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value === undefined ? null : value;
}

/** `variant { ok(string), err(record) }`. @throws GtpackError `guest_output_invalid` */
export function readNodeResult(result: unknown): GuestReply {
  const value = field(result, 'val');
  return field(result, 'tag') === 'err' ? problemOf(value, undefined) : readJsonText(value);
}

/** A value of the function's own type. The glue gives the ok side of a result bare. @throws GtpackError `guest_output_invalid` */
export function readTyped(type: ValueType | undefined, result: unknown): GuestReply {
  const json = toJson(type?.kind === 'result' ? type.ok : type, result, new JsonBudget());
  return { kind: 'ok', json: JSON.stringify(json) };
}

/**
 * The glue throws the error side of a result bare; a trap and the glue's own faults are Errors.
 * @param type of the error side, if the function's result has one
 * @throws what is no typed error
 */
export function problemOrThrow(thrown: unknown, type: ValueType | undefined): GuestReply {
  if (thrown instanceof Error) throw thrown;
  return problemOf(thrown, type);
}

/** Codes of the field are written in other ways than ours. */
function problemOf(error: unknown, type: ValueType | undefined): GuestReply {
  const code = field(error, 'code');
  const named = typeof code === 'string' ? code.slice(0, MAX_CODE).replace(/[^A-Za-z0-9]+/g, '_') : '';
  const problem = readGuestProblem({
    code: CODE.test(named.toLowerCase()) ? named.toLowerCase() : 'component_error',
    message: messageOf(error, type),
    retryable: field(error, 'retryable') === true,
  });
  if (problem !== undefined) return { kind: 'problem', problem };
  throw invalid('The component returned neither an output nor an error with a message.');
}

const MAX_CODE = 64;
const CODE = /^[a-z][a-z0-9_]{0,63}$/;

/** An error without a message of its own is told as the JSON of its type. */
function messageOf(error: unknown, type: ValueType | undefined): string {
  if (typeof error === 'string') return error;
  const message = field(error, 'message');
  if (typeof message === 'string') return message;
  return type === undefined
    ? 'The component gave no message.'
    : JSON.stringify(toJson(type, error, new JsonBudget()));
}

function bytesOf(result: unknown): Uint8Array {
  if (result instanceof Uint8Array && result.length <= MAX_REPLY_BYTES) return result;
  throw invalid(`The component returned no list of at most ${MAX_REPLY_BYTES} bytes.`);
}

/** Of what the glue made: a field may be called what every object inherits. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function invalid(message: string): GtpackError {
  return new GtpackError('guest_output_invalid', message);
}
