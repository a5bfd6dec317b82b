import { GtpackError } from '../../errors.ts';
import type { Address } from '../../grant/address.ts';
import { originGrant } from '../../grant/origin-pattern.ts';
import type { Hop } from './request.ts';
import type { Scope } from './scope.ts';

/**
 * Refuses a hop that the grant does not allow. What the host's name resolves to is checked when it is dialled.
 * @param from the origin that redirected there; null for the guest's own request
 * @throws GtpackError `capability_denied`
 */
export function permitHop({ source, grant }: Scope, { url, method }: Hop, from: string | null): void {
  const missing = [
    ...(grant.allowsOrigin(url) ? [] : [`hosts: [${JSON.stringify(originGrant(url))}]`]),
    ...(grant.allowsMethod(method) ? [] : [`methods: [${method}]`]),
  ];
  if (missing.length === 0) return;
  const redirected = from === null ? '' : `, where ${from} redirected it`;
  throw denied(source, `${source} may not send ${method} to ${url.origin}${redirected}.`, missing);
}

/** @throws GtpackError `capability_denied` */
export function permitAddress({ source, grant }: Scope, hostname: string, address: Address): void {
  if (grant.allowsAddress(address)) return;
  throw denied(
    source,
    `${source} may not reach ${hostname}: it is at a ${address.special ?? 'public'} address.`,
    [`networks: [${JSON.stringify(address.network)}]`],
  );
}

/** No grant at all. */
export function nothingGranted(source: string): GtpackError {
  return denied(source, `${source} may not send HTTP requests.`, ['hosts: ["api.example.com"]']);
}

function denied(source: string, message: string, missing: readonly string[]): GtpackError {
  return new GtpackError('capability_denied', message, {
    cure: `To allow it, add to the grants of ${source} in the bundle: http: { ${missing.join(', ')} }`,
  });
}
