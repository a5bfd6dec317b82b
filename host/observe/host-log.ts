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
      sink({ level, message, ...subject });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export type SourcePlace = {
  readonly [Name in 'pack' | 'run' | 'node' | 'trace']?: string | null | undefined;
};

/**
 * Of something that a provider or a flow did.
 * @param source a provider's id, or `flow:<name>`
 */
export function sourceSubject(tenant: string, source: string, place: SourcePlace): LogSubject {
  const known = Object.entries(place).filter(([, value]) => typeof value === 'string');
  const whose = source.startsWith(FLOW) ? { flow: source.slice(FLOW.length) } : { provider: source };
  return { tenant, ...whose, ...Object.fromEntries(known) };
}

export function subjectOf(tenant: string | null, provider: string | null): LogSubject {
  return { ...(tenant === null ? {} : { tenant }), ...(provider === null ? {} : { provider }) };
}
