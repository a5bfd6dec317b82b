import { mapping } from '../written/readers.ts';
import { eventTypesShape, matchesEventType } from './event-types.ts';

/** Event types that a provider may publish; see event-types.ts for the patterns. */
export interface PublishGrant {
  readonly publish: readonly string[];
}

export const publishGrantShape = mapping({ publish: eventTypesShape });

/** No grant allows nothing. */
export function allowsPublishing(grant: PublishGrant | null, type: string): boolean {
  return grant !== null && matchesEventType(grant.publish, type);
}
