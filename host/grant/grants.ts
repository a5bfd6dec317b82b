import type * as z from 'zod';
import type { PluginImport } from '../contract.ts';
import { mapping } from '../written/readers.ts';
import { type HttpGrant, httpGrantShape, parseHttpGrant } from './http-grant.ts';
import { type PublishGrant, publishGrantShape } from './publish-grant.ts';
import { type SecretsGrant, secretsGrantShape } from './secrets-grant.ts';
import { SendgridGrant, sendgridGrantShape } from './sendgrid-grant.ts';
import { parseStateGrant, type StateGrant, stateGrantShape } from './state-grant.ts';
import { parseTimersGrant, type TimersGrant, timersGrantShape } from './timers-grant.ts';
import { TwilioGrant, twilioGrantShape } from './twilio-grant.ts';

/** What a bundle grants one provider of one tenant. The empty value denies everything. */
export interface Grants {
  readonly http: HttpGrant | null;
  readonly bus: PublishGrant | null;
  readonly sendgrid: SendgridGrant | null;
  readonly twilio: TwilioGrant | null;
  readonly timers: TimersGrant | null;
  readonly state: StateGrant | null;
  readonly secrets: SecretsGrant | null;
}

export const NO_GRANTS: Grants = Object.freeze({
  http: null,
  bus: null,
  sendgrid: null,
  twilio: null,
  timers: null,
  state: null,
  secrets: null,
});

/** `grants` as people write it. */
export const grantsShape = mapping({
  http: httpGrantShape.optional(),
  bus: publishGrantShape.optional(),
  sendgrid: sendgridGrantShape.optional(),
  twilio: twilioGrantShape.optional(),
  timers: timersGrantShape.optional(),
  state: stateGrantShape.optional(),
  secrets: secretsGrantShape.optional(),
});

export function parseGrants(written: z.output<typeof grantsShape> | undefined): Grants {
  const { http, bus, sendgrid, twilio, timers, state, secrets } = written ?? {};
  return {
    http: http === undefined ? null : parseHttpGrant(http),
    bus: bus ?? null,
    sendgrid: sendgrid === undefined ? null : new SendgridGrant(sendgrid),
    twilio: twilio === undefined ? null : new TwilioGrant(twilio),
    timers: timers === undefined ? null : parseTimersGrant(timers),
    state: state === undefined ? null : parseStateGrant(state),
    secrets: secrets === undefined ? null : new Set(secrets),
  };
}

/** What an operator writes to grant a capability. */
const EXAMPLES: Readonly<Record<keyof Grants, string>> = {
  http: 'http: { hosts: ["api.example.com"] }',
  bus: 'bus: { publish: ["order.created"] }',
  sendgrid: 'sendgrid: { key: SENDGRID_KEY, from: ["orders@example.com"], to: ["*@customer.example"] }',
  twilio: 'twilio: { account: AC…, auth_token: TWILIO_TOKEN, from: ["+41791234567"], to: ["+41"] }',
  timers: 'timers: { events: ["reminder.due"] }',
  state: 'state: {}',
  secrets: 'secrets: [API_KEY]',
};

function isGrantable(name: PluginImport): name is keyof Grants {
  return Object.hasOwn(EXAMPLES, name);
}

/** Capabilities of which anything is granted, in sorted order. */
export function grantedCapabilities(grants: Grants): (keyof Grants)[] {
  return Object.keys(EXAMPLES)
    .filter(
      (name): name is keyof Grants =>
        isGrantable(name as PluginImport) && grants[name as keyof Grants] !== null,
    )
    .sort();
}

/** Whether anything of a capability is granted, so that its functions are linked at all. */
export function isGranted(grants: Grants, name: PluginImport): boolean {
  return isGrantable(name) && grants[name] !== null;
}

/** What an operator writes to grant a capability; undefined for those that this version cannot grant. */
export function grantExample(name: PluginImport): string | undefined {
  return isGrantable(name) ? EXAMPLES[name] : undefined;
}
