import type { Trigger } from '../flow/flow.ts';
import type { TenantDescription } from '../running-host.ts';
import type { Upcoming } from '../schedule/schedule.ts';
import type { TenantDeployment } from './tenant-deployment.ts';

/** @param upcoming the next instants of every schedule of every tenant */
export function describeTenant(
  { id, providers, flows, timers }: TenantDeployment,
  url: string,
  upcoming: readonly Upcoming[],
): TenantDescription {
  const nextOf = (schedule: string): number | null =>
    upcoming.find(({ entry }) => entry.tenant === id && entry.schedule === schedule)?.instants[0] ?? null;
  const webhooks = providers.filter(({ provider }) => provider.kind === 'webhook');
  return {
    id,
    providers: providers.map(({ binding, provider }) => ({
      id: binding.id,
      kind: provider.kind,
      pack: binding.pack,
    })),
    webhookUrls:
      webhooks.length === 1
        ? [`${url}/events/webhook/${id}/{event_type}`]
        : webhooks.map(({ binding }) => `${url}/v1/events/ingress/${binding.id}/${id}/{event_type}`),
    flows: flows.map(({ name, triggers }) => ({ name, triggers: triggers.map(triggerText) })),
    timers: timers.map(({ trigger }) => ({
      schedule: trigger.schedule,
      plan: triggerText(trigger),
      next: nextOf(trigger.schedule),
    })),
  };
}

function triggerText(trigger: Trigger): string {
  if (trigger.type === 'event') return trigger.pattern;
  const { plan } = trigger;
  return plan.kind === 'cron' ? `cron "${plan.cron}" ${plan.timezone}` : `every ${plan.everyMs / 1000} s`;
}
