import { ERROR_CODES, type ErrorCode, GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { CellLoss, EffectAnswer } from './protocol.ts';
import { OPENING_JOB } from './watch.ts';

/** What those hear whose calls were in a cell that is gone. */

const GUILTY_CODES: Partial<Record<CellLoss['reason'], ErrorCode>> = {
  overrun: 'guest_timeout',
  memory: 'guest_memory_exceeded',
};

/** Problems of an opened cell that mean that a provider of it cannot start. */
export const UNSTARTED: ReadonlySet<ErrorCode> = new Set([
  'plugin_invalid',
  'config_invalid',
  'pack_schema_invalid',
]);

/** What a call hears of the loss of its cell. @param provider which it was for; null for a run */
export function errorAfter(
  loss: CellLoss,
  tenant: TenantId,
  job: number,
  provider: string | null,
): GtpackError {
  const { reason, detail, source } = loss;
  if (reason === 'open_failed') return openError(tenant, detail);
  // What kept the cell from opening is held from now on; the others may be served without it.
  if (loss.job === OPENING_JOB) {
    return provider === source ? openError(tenant, detail) : endedError(tenant, detail);
  }
  if (job === loss.job) return guiltyError(loss);
  return loss.job === null ? lostError(tenant, detail) : endedError(tenant, detail);
}

/** The call that its cell was ended for. */
function guiltyError({ reason, detail }: CellLoss): GtpackError {
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

/** To a cell that writes in the journal of a run that it was not given. */
export function notOpen(message: string): EffectAnswer {
  return { kind: 'problem', problem: { code: 'run_not_open', message, retryable: false } };
}
