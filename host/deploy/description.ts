import type { JsonObject } from '../event/json.ts';
import type { HostDescription, TenantDescription } from '../running-host.ts';
import type { Quarantined } from '../sandbox/quarantine.ts';
import type { Upcoming } from '../schedule/schedule.ts';
import { planText } from '../written/schedule.ts';
import type { TenantDeployment } from './tenant-deployment.ts';

/**
 * @param url what senders see before the path
 * @param upcoming the next instant of each schedule of the tenant, in order
 */
export function describeTenant(
  { id, providers, flows, code }: TenantDeployment,
  url: string,
  upcoming: readonly Upcoming[],
): TenantDescription {
  const webhooks = providers.filter(({ provider }) => provider.kind === 'webhook');
  return {
    id,
    isolation: code.isolation ?? 'shared',
    providers: providers.map(({ binding, provider }) => ({
      id: binding.id,
      kind: provider.kind,
      signatures: binding.signatures.map(({ name }) => name),
    })),
    webhookUrls:
      webhooks.length === 1
        ? [`${url}/events/webhook/${id}/{event_type}`]
        : webhooks.map(({ binding }) => `${url}/v1/events/ingress/${binding.id}/${id}/{handler}`),
    flows: flows.map(({ name }) => name),
    timers: upcoming.map(({ entry: { schedule, plan }, instants }) => ({
      schedule,
      plan: planText(plan),
      next: instants[0] ?? null,
    })),
  };
}

/** The description as plain JSON, with what lives now. */
export function statusOf(
  { env, tenants }: HostDescription,
  live: { readonly cells: number; readonly hosts: number },
): JsonObject {
  return {
    env,
    cells: live.cells,
    cell_hosts: live.hosts,
    tenants: tenants.map(({ id, isolation, webhookUrls, flows, timers }) => ({
      id,
      isolation,
      webhook_urls: webhookUrls,
      flows,
      timers: timers.map(({ schedule, plan, next }) => ({ schedule, plan, next })),
    })),
  };
}

/** What is held back, as plain JSON. */
export function quarantineEntry({ tenant, source, remainingMs, times, detail }: Quarantined): JsonObject {
  return { tenant, source, remaining_ms: Math.ceil(remainingMs), times, detail };
}
