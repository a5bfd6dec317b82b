import { write } from 'gtpack:plugin/log@0.1.0';

/** The host's log: lines of at most 8 KiB, at most 100 a call. Half a surrogate pair becomes U+FFFD. */
export const log = {
  debug: (message: string): void => write('debug', message.toWellFormed()),
  info: (message: string): void => write('info', message.toWellFormed()),
  warn: (message: string): void => write('warn', message.toWellFormed()),
  error: (message: string): void => write('error', message.toWellFormed()),
};
