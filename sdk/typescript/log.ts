import { write } from 'gtpack:plugin/log@0.1.0';

/** The host's log: lines of at most 8 KiB, at most 100 a call. */
export const log = {
  debug: (message: string): void => write('debug', message),
  info: (message: string): void => write('info', message),
  warn: (message: string): void => write('warn', message),
  error: (message: string): void => write('error', message),
};
