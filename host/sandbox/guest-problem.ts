import type { GuestProblem } from '../contract.ts';

const CODE = /^[a-z][a-z0-9_]{0,63}$/;
const MAX_MESSAGE_CHARACTERS = 2048;

/** A guest's typed error as it came, bounded; undefined where the value is none. */
export function readGuestProblem(value: unknown): GuestProblem | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { code, message, retryable } = value as Partial<Record<keyof GuestProblem, unknown>>;
  if (typeof code !== 'string' || !CODE.test(code) || typeof message !== 'string') return undefined;
  return {
    code,
    message: message.slice(0, MAX_MESSAGE_CHARACTERS).toWellFormed(),
    retryable: retryable === true,
  };
}
