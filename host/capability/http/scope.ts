import type { TenantId } from '../../event/names.ts';
import type { HttpGrant } from '../../grant/http-grant.ts';

/** Who calls, and by what right. Connections are never shared between two scopes. */
export interface Scope {
  readonly tenant: TenantId;
  /** The bundle's provider, or `flow:<name>`. */
  readonly source: string;
  readonly grant: HttpGrant;
  /** Whose grant that is: where an operator would widen it. */
  readonly capability: 'http' | 'sendgrid' | 'twilio';
}
