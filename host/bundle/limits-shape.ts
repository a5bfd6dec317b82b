import type * as z from 'zod';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { count, duration, size } from '../written/readers.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** The limits that the host enforces tenant by tenant, under the names that people write. */
const TENANT_LIMITS = {
  cpu_slice: 'cpuSliceMs',
  call_wall: 'callWallMs',
  max_tenant_memory: 'maxTenantMemoryBytes',
  max_event: 'maxEventBytes',
  max_json_depth: 'maxJsonDepth',
  max_json_elements: 'maxJsonElements',
  max_drafts_per_call: 'maxDraftsPerCall',
  max_flow_steps: 'maxFlowSteps',
  max_effects_per_run: 'maxEffectsPerRun',
  max_queued_calls: 'maxQueuedCalls',
  max_in_flight: 'maxInFlight',
  max_events_per_second: 'maxEventsPerSecond',
  max_backlog: 'maxBacklog',
  max_parked_runs: 'maxParkedRuns',
  max_log_line: 'maxLogLineBytes',
  max_log_lines_per_call: 'maxLogLinesPerCall',
} as const satisfies Record<string, keyof Limits>;

export type LimitName = keyof typeof TENANT_LIMITS;
export type LimitsFile = { readonly [Name in LimitName]?: number | undefined };

/**
 * The keys of a tenant's `limits`. The upper ends are where the host itself would suffer: messages between processes
 * (events), the call stack (depth), timers (durations).
 */
export const limitsShape = {
  cpu_slice: duration(1, 60_000).optional(),
  call_wall: duration(1, 600_000).optional(),
  max_tenant_memory: size(MiB, 16 * KiB * MiB).optional(),
  max_event: size(KiB, 8 * MiB).optional(),
  max_json_depth: count(4, 512).optional(),
  max_json_elements: count(16, 10_000_000).optional(),
  max_drafts_per_call: count(1, 10_000).optional(),
  max_flow_steps: count(1, 1_000_000).optional(),
  max_effects_per_run: count(1, 10_000).optional(),
  max_queued_calls: count(1, 100_000).optional(),
  max_in_flight: count(1, 10_000).optional(),
  max_events_per_second: count(1, 1_000_000).optional(),
  max_backlog: count(1, 100_000_000).optional(),
  max_parked_runs: count(0, 1_000_000).optional(),
  max_log_line: size(64, MiB).optional(),
  max_log_lines_per_call: count(0, 10_000).optional(),
} satisfies Record<LimitName, z.ZodType<number | undefined>>;

/** The defaults, with what the tenant changes. */
export function limitsOf(file: LimitsFile | undefined): Limits {
  const limits = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(file ?? {})) {
    if (value !== undefined) limits[TENANT_LIMITS[name as LimitName]] = value;
  }
  return limits;
}
