import { afterEach } from 'vitest';
import type { Capability } from '../../../host/capability/capability.ts';
import { HttpCapability, type HttpCapabilityOptions } from '../../../host/capability/http.ts';
import { SendgridCapability } from '../../../host/capability/sendgrid.ts';
import { TwilioCapability } from '../../../host/capability/twilio.ts';
import type { VendorCapabilityOptions } from '../../../host/capability/vendor/vendor-options.ts';
import { parseTenantId } from '../../../host/event/names.ts';
import { type Grants, grantsShape, parseGrants } from '../../../host/grant/grants.ts';
import { Secret } from '../../../host/grant/secret.ts';

export const KEY = 'SG.of+the/account=';
export const TOKEN = 'token/of+the account=';
export const ACCOUNT = `AC${'0'.repeat(32)}`;
export const SERVICE = `MG${'1'.repeat(32)}`;
export const FROM = '+15005550006';

const SECRETS: Readonly<Record<string, string>> = { KEY, TOKEN };

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface AccountOptions extends Partial<Pick<VendorCapabilityOptions, 'now' | 'monotonicMs'>> {
  readonly http?: HttpCapabilityOptions;
}

const secretOf = (_tenant: string, name: string): Secret => new Secret(name, SECRETS[name] ?? 'none');

export function openSendgridCapability(options: AccountOptions = {}): SendgridCapability {
  return new SendgridCapability(parts(options));
}

export function openTwilioCapability(options: AccountOptions = {}): TwilioCapability {
  return new TwilioCapability(parts(options));
}

function parts({ http: more, now, monotonicMs }: AccountOptions): VendorCapabilityOptions {
  const http = new HttpCapability({ secretOf, ...more });
  closers.push(() => http.close());
  return {
    http,
    secretOf,
    ...(now === undefined ? {} : { now }),
    ...(monotonicMs === undefined ? {} : { monotonicMs }),
  };
}

/** A grant of SendGrid, to a fake of it. */
export const mailGrant = (url: string, more: object = {}): Grants =>
  parseGrants(
    grantsShape.parse({
      sendgrid: {
        key: 'KEY',
        from: ['shop@example.com', '*@news.example.com'],
        to: ['*@example.com', '*@*.customer.example', 'ceo@partner.example'],
        base_url: url,
        networks: ['127.0.0.0/8'],
        ...more,
      },
    }),
  );

/** A grant of Twilio, to a fake of it. */
export const messageGrant = (url: string, more: object = {}): Grants =>
  parseGrants(
    grantsShape.parse({
      twilio: {
        account: ACCOUNT,
        auth_token: 'TOKEN',
        from: [FROM, SERVICE],
        to: ['+41', '+1500'],
        base_url: url,
        networks: ['127.0.0.0/8'],
        ...more,
      },
    }),
  );

/** @returns the result's document @throws as the capability does */
export async function send(
  capability: Capability,
  grants: Grants,
  document: unknown,
  { tenant = 'demo', source = 'mailer', key, onTarget = () => undefined }: Sender = {},
): Promise<unknown> {
  const answer = await capability.perform({
    tenant: parseTenantId(tenant),
    source,
    grants,
    fn: 'send',
    args: [typeof document === 'string' ? document : JSON.stringify(document)],
    events: [],
    journal: [],
    ...(key === undefined ? {} : { key }),
    signal: new AbortController().signal,
    reaches: onTarget,
  });
  if (answer.kind === 'problem') throw new Error(answer.problem.message);
  return JSON.parse(answer.json);
}

export interface Sender {
  readonly tenant?: string;
  readonly source?: string;
  readonly key?: string;
  readonly onTarget?: (target: string) => void;
}
