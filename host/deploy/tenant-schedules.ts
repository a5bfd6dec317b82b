import { NO_SCHEDULES } from '../bundle/provider-schedules.ts';
import { GtpackError, type Problem } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Flow } from '../flow/flow.ts';
import type { ScheduleEntry } from '../schedule/schedule.ts';
import { planIn } from '../written/schedule.ts';
import type { ProviderCode } from './provider-code.ts';

const DEFAULT_TIMEZONE = 'UTC';

/**
 * A tenant's schedules: the timer triggers of its flows, which its timer provider turns into events, and those in the
 * config of each timer provider. One that names no time zone has that of the provider's config.
 * @throws GtpackError with every problem of those configs; `timer_provider_missing`, `timer_provider_ambiguous`
 */
export function schedulesOf(
  tenant: TenantId,
  flows: readonly Flow[],
  providers: readonly ProviderCode[],
): readonly ScheduleEntry[] {
  const timers = providers
    .filter(({ provider }) => provider.kind === 'timer')
    .map(({ binding }) => ({ id: binding.id, written: binding.schedules ?? NO_SCHEDULES }));
  const problems: Problem[] = timers.flatMap(({ written }) => written.problems);
  const entries: ScheduleEntry[] = timers.flatMap(({ id, written }) =>
    written.schedules.map(({ name, timing }) => ({
      ...timing,
      tenant,
      schedule: `provider:${id}/${name}`,
      name,
      provider: id,
      plan: planIn(timing.plan, written.timezone ?? DEFAULT_TIMEZONE),
    })),
  );
  const [provider, ...others] = timers;
  for (const flow of flows) {
    for (const trigger of flow.triggers) {
      if (trigger.type !== 'timer') continue;
      if (provider === undefined || others.length > 0) {
        problems.push(providerProblem(flow, timers));
        continue;
      }
      const { schedule, timing } = trigger;
      const plan = planIn(timing.plan, provider.written.timezone ?? DEFAULT_TIMEZONE);
      entries.push({ ...timing, tenant, schedule, name: flow.name, provider: provider.id, plan });
    }
  }
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return entries;
}

function providerProblem(flow: Flow, timers: readonly { readonly id: string }[]): Problem {
  return timers.length === 0
    ? {
        code: 'timer_provider_missing',
        message: `The flow ${flow.name} has a timer trigger, and its tenant has no timer provider.`,
        cure: 'Add one to the bundle: events-timer: { pack: "providers/events/events-timer.gtpack" }',
        file: flow.file,
      }
    : {
        code: 'timer_provider_ambiguous',
        message: `The flow ${flow.name} has a timer trigger, and its tenant has the timer providers ${timers.map(({ id }) => id).join(', ')}.`,
        cure: 'Keep one of them enabled.',
        file: flow.file,
      };
}
