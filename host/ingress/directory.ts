import type { TenantId } from '../event/names.ts';
import type { ProviderKind } from '../pack/pack.ts';
import type { Verifier } from './signature/verifier.ts';

/** What ingress knows of the tenants: enough to refuse a request before any cell is woken for it. */
export interface IngressDirectory {
  /** The tenant of that name, whatever text the URL held. */
  tenant(name: string): IngressTenant | undefined;
}

export interface IngressTenant {
  readonly id: TenantId;
  /** Enabled providers that export `ingest`, by id: all that the long path reaches. */
  readonly providers: ReadonlyMap<string, IngressProvider>;
  /** Ids of those whose kind is `webhook`: the short path takes the only one. */
  readonly webhooks: readonly string[];
  /** Requests of this tenant that may be under way at once. */
  readonly maxInFlight: number;
  /** Of one request; the server's own cap holds as well. */
  readonly maxBodyBytes: number;
}

export interface IngressProvider {
  readonly id: string;
  readonly kind: ProviderKind;
  /** Checks the signatures of its requests; null where the bundle asks for none. */
  readonly verifier: Verifier | null;
}

/** A tenant as the bundle and its packs describe it. */
export interface DirectoryEntry {
  readonly id: TenantId;
  readonly providers: readonly IngressProvider[];
  readonly maxInFlight: number;
  readonly maxBodyBytes: number;
}

/** Builds the directory once; it is looked up for every request. */
export function createDirectory(entries: readonly DirectoryEntry[]): IngressDirectory {
  const tenants = new Map<string, IngressTenant>();
  for (const { id, providers, maxInFlight, maxBodyBytes } of entries) {
    tenants.set(id, {
      id,
      providers: new Map(providers.map((provider) => [provider.id, provider])),
      webhooks: providers.filter(({ kind }) => kind === 'webhook').map((provider) => provider.id),
      maxInFlight,
      maxBodyBytes,
    });
  }
  return { tenant: (name) => tenants.get(name) };
}
