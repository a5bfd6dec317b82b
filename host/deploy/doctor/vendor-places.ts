import type { Bundle } from '../../bundle/bundle.ts';
import type { HttpGrant } from '../../grant/http-grant.ts';
import type { Finding } from './finding.ts';

/** Says where email and messages do not go to their vendor: a fake, or a sandbox, that was to be left behind in another env. */
export function vendorPlaces({ env, file, tenants }: Pick<Bundle, 'env' | 'file' | 'tenants'>): Finding[] {
  const severity = env === 'dev' ? 'info' : 'warning';
  return tenants.flatMap(({ id: tenant, providers }) =>
    providers
      .filter(({ enabled }) => enabled)
      .flatMap(({ id, line, grants: { sendgrid, twilio } }) => {
        const who = `The provider ${tenant}/${id}`;
        const told = [
          ...(sendgrid === null ? [] : placeOf(`${who} sends its email`, 'SendGrid', sendgrid)),
          ...(twilio === null ? [] : placeOf(`${who} sends its messages`, 'Twilio', twilio)),
        ];
        if (sendgrid?.sandboxOnly === true) told.push(`${who} has SendGrid check its email and sends none.`);
        return told.map(
          (message): Finding => ({
            severity,
            code: 'vendor_elsewhere',
            message,
            cure: 'Where real ones are to be sent, leave base_url, networks and sandbox_only out of its grant.',
            file,
            line,
          }),
        );
      }),
  );
}

interface Account {
  readonly origin: string;
  readonly http: HttpGrant;
}

/** What goes over plain HTTP, or may go to a network that is not public, goes to no vendor. */
function placeOf(sentence: string, vendor: string, { origin, http }: Account): string[] {
  return origin.startsWith('http:') || http.networks.length > 0
    ? [`${sentence} to ${origin}, which is not ${vendor}.`]
    : [];
}
