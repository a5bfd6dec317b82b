import { pino } from 'pino';
import type { HostLog } from '../running-host.ts';
import type { CliWorld } from './world.ts';

/** The host's log as JSON lines on stderr: `level`, `time`, `message`, and what a line is about: `tenant`, `provider` or `flow`, `pack`, `run`, `node`, `trace`. */
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
