import type { TenantId } from '../event/names.ts';
import type { Secret } from '../grant/secret.ts';
import type { Bundle } from './bundle.ts';

/** Finds the secrets of a bundle's tenants. @throws TypeError for one that no grant names, which nothing asks for */
export function secretsOf(bundle: Bundle): (tenant: TenantId, name: string) => Secret {
  const byTenant = new Map(bundle.tenants.map(({ id, secrets }) => [id, secrets]));
  return (tenant, name) => {
    const secret = byTenant.get(tenant)?.get(name);
    if (secret === undefined) throw new TypeError(`the tenant ${tenant} has no secret ${name}`);
    return secret;
  };
}

/** Which providers see secrets themselves, one sentence each: there the host's walls around a secret end. */
export function secretReaders({ tenants }: Bundle): string[] {
  return tenants.flatMap(({ id, providers }) =>
    providers
      .filter(({ enabled, grants }) => enabled && grants.secrets !== null)
      .map(
        ({ id: provider, grants }) =>
          `The provider ${id}/${provider} reads ${[...(grants.secrets ?? [])].join(', ')} itself.`,
      ),
  );
}
