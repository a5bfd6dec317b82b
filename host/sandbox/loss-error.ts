import { ERROR_CODES, type ErrorCode, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { CellLoss } from './protocol.ts';

/** What those hear whose calls were in a cell that is gone. */

const GUILTY_CODES: Partial<Record<CellLoss['reason'], ErrorCode>> = {
  overrun: 'guest_timeout',
  memory: 'guest_memory_exceeded',
};

/** The call that its cell was ended for. */
export function guiltyError({ reason, detail }: CellLoss): GtpackError {
  return new GtpackError(GUILTY_CODES[reason] ?? 'guest_trap', detail);
}

/** A call that may have ended its cell itself. */
export function lostError(tenant: TenantId, detail: string): GtpackError {
  return new GtpackError('cell_lost', `The cell of tenant ${tenant} was lost: ${detail}`);
}

/** A call of a cell that was ended for something else. */
export function endedError(tenant: TenantId, detail: string): GtpackError {
  return new GtpackError('cell_ended', `The cell of tenant ${tenant} was ended for another call: ${detail}`);
}

export function openError(tenant: TenantId, detail: string): GtpackError {
  return new GtpackError('plugin_invalid', `The cell of tenant ${tenant} cannot open: ${detail}`);
}

/** Codes come from a cell, so they are looked up, not believed. */
export function knownCode(code: string): ErrorCode {
  return Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'guest_trap';
}
