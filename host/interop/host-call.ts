import type { GuestProblem } from '../contract.ts';
import type { ValueType } from '../pack/component-types.ts';
import type { GuestReply } from '../sandbox/plugin.ts';
import { fieldValue } from './field-value.ts';

const MAX_MESSAGE_CHARACTERS = 2048;

/** What one role may do: ask the broker, or refuse by itself. Both are answered in turns of their own. */
export interface HostCall {
  ask(fn: string, ...texts: string[]): Promise<GuestReply>;
  refuse(code: string, message: string): Promise<GuestReply>;
}

/** @throws the error side of a result of the type */
export function outputOf(reply: GuestReply, error: ValueType): string {
  if (reply.kind === 'ok') return reply.json;
  throw errorValue(error, reply.problem);
}

/** An error as the field has it: what its type has of code and message. */
export function errorValue(type: ValueType, { code, message }: GuestProblem): unknown {
  return fieldValue(type, { code, message: message.slice(0, MAX_MESSAGE_CHARACTERS) });
}
