import { GtpackError } from '../../errors.ts';
import { quoted } from '../../event/names.ts';
import type { Address } from '../../grant/address.ts';
import { originGrant } from '../../grant/origin-pattern.ts';
import { isSecretName } from '../../grant/secret-name.ts';
import type { Hop } from './request.ts';
import type { Scope } from './scope.ts';

/**
 * Refuses a hop that the grant does not allow. What the host's name resolves to is checked when it is dialled.
 * @param from the origin that redirected there; null for the guest's own request
 * @throws GtpackError `capability_denied`
 */
export function permitHop(
  { source, grant, capability }: Scope,
  { url, method }: Hop,
  from: string | null,
): void {
  const missing = [
    ...(grant.allowsOrigin(url) ? [] : [`hosts: [${JSON.stringify(originGrant(url))}]`]),
    ...(grant.allowsMethod(method) ? [] : [`methods: [${method}]`]),
  ];
  if (missing.length === 0) return;
  const redirected = from === null ? '' : `, where ${from} redirected it`;
  throw denied(
    source,
    `${source} may not send ${method} to ${url.origin}${redirected}.`,
    missing,
    capability,
  );
}

/**
 * @param origin what is dialled
 * @throws GtpackError `capability_denied`
 */
export function permitAddress({ source, grant, capability }: Scope, origin: URL, address: Address): void {
  const { hostname } = origin;
  if (grant.allowsAddress(address)) {
    const inTheClear = origin.protocol === 'http:' && address.special === null;
    if (!inTheClear || grant.credentialFor(origin, null) === undefined) return;
    throw new GtpackError(
      'capability_denied',
      `${source} may not reach ${origin.origin}: a credential would go to a public address in plain HTTP.`,
      { cure: `Write https in the grant, or leave ${hostname} out of the hosts of its auth.` },
    );
  }
  throw denied(
    source,
    `${source} may not reach ${hostname}: it is at a ${address.special ?? 'public'} address.`,
    [`networks: [${JSON.stringify(address.network)}]`],
    capability,
  );
}

/** A credential that the grant does not attach there. */
export function credentialDenied(source: string, name: string, origin: string): GtpackError {
  return denied(source, `${source} may not send the credential ${quoted(name)} to ${origin}.`, [
    `auth: [{ secret: ${isSecretName(name) ? name : 'NAME'}, hosts: [${JSON.stringify(originGrant(new URL(origin)))}] }]`,
  ]);
}

/** No grant at all. */
export function nothingGranted(source: string): GtpackError {
  return denied(source, `${source} may not send HTTP requests.`, ['hosts: ["api.example.com"]']);
}

function denied(
  source: string,
  message: string,
  missing: readonly string[],
  capability: Scope['capability'] = 'http',
): GtpackError {
  return new GtpackError('capability_denied', message, {
    cure: `To allow it, add to the grants of ${granteeOf(source)} in the bundle: ${capability}: { ${missing.join(', ')} }`,
  });
}

/** Where the bundle grants what a source asks for. */
function granteeOf(source: string): string {
  return source.startsWith('flow:') ? 'its tenant (or of the provider whose pack holds it)' : source;
}
