import * as z from 'zod';
import { GtpackError } from '../errors.ts';
import type { AuditLine } from '../observe/audit-record.ts';
import { parseDurationMs } from '../written/duration.ts';

/** What to show of an audit log, as it was typed. */
export interface AuditFilterWords {
  readonly tenant?: string;
  readonly provider?: string;
  readonly decision?: string;
  readonly since?: string;
  readonly limit?: string;
}

export type AuditEntry =
  | { readonly kind: 'effect'; readonly line: AuditLine }
  /** Whose they were is not known, so every reader is told. */
  | { readonly kind: 'dropped'; readonly time: string; readonly count: number };

export interface AuditFilter {
  readonly limit: number | undefined;
  /** `other`: not asked for. */
  read(line: string): AuditEntry | 'other' | 'unreadable';
}

const DECISIONS = ['done', 'denied', 'failed'] as const;
const MAX_LIMIT = 1_000_000;
const INSTANT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;

const effectShape: z.ZodType<AuditLine> = z.object({
  time: z.string(),
  tenant: z.string(),
  provider: z.string().exactOptional(),
  flow: z.string().exactOptional(),
  pack: z.string().nullable(),
  run: z.string().nullable(),
  node: z.string().nullable(),
  trace: z.string().exactOptional(),
  span: z.string().exactOptional(),
  capability: z.string(),
  fn: z.string(),
  target: z.string(),
  decision: z.enum(DECISIONS),
  code: z.string().nullable(),
  duration_ms: z.number(),
});
const droppedShape = z.object({ time: z.string(), dropped: z.number() });

/**
 * @param now milliseconds since the Unix epoch
 * @throws GtpackError `option_invalid`
 */
export function auditFilter(words: AuditFilterWords, now: number): AuditFilter {
  const { tenant, provider, decision } = words;
  if (decision !== undefined && !DECISIONS.some((known) => known === decision)) {
    throw invalid('--decision', `one of ${DECISIONS.join(', ')}`, decision);
  }
  const since = words.since === undefined ? undefined : instantOf(words.since, now);
  return {
    limit: words.limit === undefined ? undefined : limitOf(words.limit),
    read(line) {
      const entry = entryOf(line);
      if (entry === 'unreadable') return entry;
      const { time } = entry.kind === 'effect' ? entry.line : entry;
      if (since !== undefined && !(Date.parse(time) >= since)) return 'other';
      if (entry.kind === 'dropped') return entry;
      const wanted =
        (tenant === undefined || entry.line.tenant === tenant) &&
        (provider === undefined || entry.line.provider === provider) &&
        (decision === undefined || entry.line.decision === decision);
      return wanted ? entry : 'other';
    },
  };
}

function entryOf(line: string): AuditEntry | 'unreadable' {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return 'unreadable';
  }
  const effect = effectShape.safeParse(json);
  if (effect.success) return { kind: 'effect', line: effect.data };
  const dropped = droppedShape.safeParse(json);
  if (!dropped.success) return 'unreadable';
  return { kind: 'dropped', time: dropped.data.time, count: dropped.data.dropped };
}

/** @param now milliseconds since the Unix epoch @throws GtpackError `option_invalid` */
export function instantOf(text: string, now: number): number {
  const durationMs = parseDurationMs(text);
  if (durationMs !== undefined) return now - durationMs;
  const instant = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(instant)) return instant;
  throw invalid('--since', 'a duration such as 90s or 2h, or an instant such as 2026-01-31T12:00:00Z', text);
}

/** @throws GtpackError `option_invalid` */
export function limitOf(text: string): number {
  const limit = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw invalid('--limit', `a whole number from 1 to ${MAX_LIMIT}`, text);
}

function invalid(option: string, expected: string, came: string): GtpackError {
  return new GtpackError('option_invalid', `${option} takes ${expected}; ${JSON.stringify(came)} came.`);
}
