import type { EnvName, EventType, TenantId } from './names.ts';

/** Subjects of the bus. They take checked names only, so no wildcard and no second token can slip in. */
export function eventSubject(env: EnvName, tenant: TenantId, type: EventType): string {
  return `greentic.events.${env}.${tenant}.${type}`;
}

export function resultSubject(env: EnvName, tenant: TenantId, type: EventType): string {
  return `${eventSubject(env, tenant, type)}.result`;
}

export function deadLetterSubject(env: EnvName, tenant: TenantId, type: EventType): string {
  return `greentic.dlq.${env}.${tenant}.${type}`;
}
