import { ERROR_CODES, type ErrorCode, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { CellLoss } from './protocol.ts';

/** What those hear whose calls were in a cell that is gone. */

const GUILTY_CODES: Partial<Record<CellLoss['reason'], ErrorCode>> = {
  overrun: 'guest_timeout',
  memory: 'guest_memory_exceeded',
};

export function guiltyError({ reason, detail }: CellLoss): GtpackError {
  return new GtpackError(GUILTY_CODES[reason] ?? 'guest_trap', detail);
}

/** Where it is known whose doing it was, the others are told apart from those that may have done it themselves. */
export function innocentError(tenant: TenantId, { job, detail }: CellLoss): GtpackError {
  return job === null
    ? new GtpackError('cell_lost', `The cell of tenant ${tenant} was lost: ${detail}`)
    : new GtpackError('cell_ended', `The cell of tenant ${tenant} was ended for another call: ${detail}`);
}

/** Codes come from a cell, so they are looked up, not believed. */
export function knownCode(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'guest_trap';
}
