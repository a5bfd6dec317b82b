import type { LogLevel } from '../contract.ts';
import type { HostLogLine } from '../running-host.ts';

/** What a line is about. */
export interface LogSubject {
  readonly tenant?: string;
  readonly provider?: string;
}

export type LeveledLog = Readonly<Record<LogLevel, (subject: LogSubject, message: string) => void>>;

/** A log by level over a sink of lines. */
export function hostLog(sink: (line: HostLogLine) => void): LeveledLog {
  const at =
    (level: LogLevel) =>
    (subject: LogSubject, message: string): void =>
      sink({ level, message, ...subject });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export function subjectOf(tenant: string | null, provider: string | null): LogSubject {
  return { ...(tenant === null ? {} : { tenant }), ...(provider === null ? {} : { provider }) };
}
