import type { LogLevel } from '../contract.ts';
import type { HostLogLine } from '../running-host.ts';

const FLOW = 'flow:';

/** What a line is about. */
export type LogSubject = Omit<HostLogLine, 'level' | 'message'>;

export type LeveledLog = Readonly<Record<LogLevel, (subject: LogSubject, message: string) => void>>;

/** A log by level over a sink of lines. */
export function hostLog(sink: (line: HostLogLine) => void): LeveledLog {
  const at =
    (level: LogLevel) =>
    (subject: LogSubject, message: string): void =>
      sink({ ...subject, level, message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Where it was, each as far as it is known. A cell says so, whose object may hold more than this. */
export type SourcePlace = {
  readonly [Name in 'run' | 'node' | 'trace']?: string | null | undefined;
};

/**
 * Of something that a provider or a flow did.
 * @param source a provider's id, or `flow:<name>`
 * @param pack `id@version`; undefined for a flow of the bundle itself
 */
export function sourceSubject(
  tenant: string,
  source: string,
  pack: string | undefined,
  { run, node, trace }: SourcePlace,
): LogSubject {
  const whose = source.startsWith(FLOW) ? { flow: source.slice(FLOW.length) } : { provider: source };
  const known = Object.entries({ pack, run, node, trace }).filter(([, value]) => typeof value === 'string');
  return { tenant, ...whose, ...Object.fromEntries(known) };
}

export function subjectOf(tenant: string | null, provider: string | null): LogSubject {
  return { ...(tenant === null ? {} : { tenant }), ...(provider === null ? {} : { provider }) };
}
