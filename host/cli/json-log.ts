import { pino } from 'pino';
import type { HostLog } from '../running-host.ts';
import type { CliWorld } from './world.ts';

/** The host's log as JSON lines on stderr: `level`, `time`, `tenant` and `provider` where a line is about one, `message`. */
export function jsonLogTo({ stderr, env, now }: CliWorld): HostLog {
  const logger = pino(
    {
      level: env.GTPACK_DEBUG === '1' ? 'debug' : 'info',
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    stderr,
  );
  return ({ level, message, ...about }) => logger[level](about, message);
}
