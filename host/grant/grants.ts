import type * as z from 'zod';
import type { PluginImport } from '../contract.ts';
import { mapping } from '../written/readers.ts';
import { type HttpGrant, httpGrantShape, parseHttpGrant } from './http-grant.ts';
import { type PublishGrant, publishGrantShape } from './publish-grant.ts';

/** What a bundle grants one provider of one tenant. The empty value denies everything. */
export interface Grants {
  readonly http: HttpGrant | null;
  readonly bus: PublishGrant | null;
}

export const NO_GRANTS: Grants = Object.freeze({ http: null, bus: null });

/** `grants` as people write it. */
export const grantsShape = mapping({
  http: httpGrantShape.optional(),
  bus: publishGrantShape.optional(),
});

export function parseGrants(written: z.output<typeof grantsShape> | undefined): Grants {
  return {
    http: written?.http === undefined ? null : parseHttpGrant(written.http),
    bus: written?.bus ?? null,
  };
}

/** Whether anything of a capability is granted, so that its functions are linked at all. */
export function isGranted(grants: Grants, name: PluginImport): boolean {
  return (name === 'http' || name === 'bus') && grants[name] !== null;
}

/** What an operator writes to grant a capability; undefined for those that this version cannot grant. */
export function grantExample(name: PluginImport): string | undefined {
  if (name === 'http') return 'http: { hosts: ["api.example.com"] }';
  return name === 'bus' ? 'bus: { publish: ["order.created"] }' : undefined;
}
