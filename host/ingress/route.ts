import { GtpackError } from '../errors.ts';
import { parseOpenEventType, parseTenantId, quoted } from '../event/names.ts';
import type { IngressDirectory, IngressTenant } from './directory.ts';
import type { Verifier } from './signature/verifier.ts';

/** Which provider of which tenant a URL means. */
export interface Destination {
  readonly tenant: IngressTenant;
  readonly provider: string;
  readonly verifier: Verifier | null;
  readonly handler: string | null;
  readonly eventType: string | null;
}

export interface ShortPath {
  readonly tenant: string;
  readonly eventType: string;
}

export interface LongPath {
  readonly provider: string;
  readonly tenant: string;
  readonly handler: string;
}

/**
 * `/events/webhook/{tenant}/{event_type}`: the tenant's only webhook provider.
 * @throws GtpackError `tenant_invalid`, `event_type_invalid`, `event_type_reserved`, `tenant_unknown`, `provider_unknown`,
 *   `provider_ambiguous`
 */
export function shortDestination(directory: IngressDirectory, path: ShortPath): Destination {
  const tenant = knownTenant(directory, path.tenant);
  const eventType = parseOpenEventType(path.eventType);
  const [only, ...others] = tenant.webhooks;
  const provider = only === undefined ? undefined : tenant.providers.get(only);
  if (provider === undefined) {
    throw new GtpackError('provider_unknown', `The tenant ${tenant.id} has no webhook provider.`);
  }
  if (others.length > 0) {
    const urls = tenant.webhooks.map((id) => `/v1/events/ingress/${id}/${tenant.id}/{handler}`).join(', ');
    throw new GtpackError(
      'provider_ambiguous',
      `The tenant ${tenant.id} has ${tenant.webhooks.length} webhook providers: ${tenant.webhooks.join(', ')}. Name one in the URL: ${urls}.`,
    );
  }
  return { tenant, provider: provider.id, verifier: provider.verifier, handler: null, eventType };
}

/**
 * `/v1/events/ingress/{provider}/{tenant}/{handler}`: any provider that takes requests.
 * @throws GtpackError `tenant_invalid`, `tenant_unknown`, `provider_unknown`, `route_unknown`
 */
export function longDestination(directory: IngressDirectory, path: LongPath): Destination {
  const tenant = knownTenant(directory, path.tenant);
  const provider = tenant.providers.get(path.provider);
  if (provider === undefined) {
    throw new GtpackError(
      'provider_unknown',
      `The tenant ${tenant.id} has no provider ${quoted(path.provider)} that takes requests.`,
    );
  }
  if (path.handler === '')
    throw new GtpackError('route_unknown', 'The handler at the end of the path is empty.');
  return {
    tenant,
    provider: provider.id,
    verifier: provider.verifier,
    handler: path.handler,
    eventType: null,
  };
}

function knownTenant(directory: IngressDirectory, name: string): IngressTenant {
  const tenant = directory.tenant(name);
  if (tenant !== undefined) return tenant;
  throw new GtpackError('tenant_unknown', `This host has no tenant ${quoted(parseTenantId(name))}.`);
}
