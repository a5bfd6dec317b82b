import type { Operation } from './wire.ts';

/** Whose turn an operation takes: its tenant's, or that of the host itself. */
export function laneOf(operation: Operation): string {
  if ('tenant' in operation) return operation.tenant;
  if ('owner' in operation) return operation.owner.tenant;
  if ('event' in operation) return operation.event.tenant;
  if ('queue' in operation) return operation.queue.tenant;
  if ('letter' in operation) return operation.letter.tenant;
  return '';
}
