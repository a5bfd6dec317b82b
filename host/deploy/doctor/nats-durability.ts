import type { NatsOptions } from '../../bundle/bundle.ts';
import { Connection } from '../../bus/nats/connection.ts';
import { credentialsOf } from '../../bus/nats/credentials.ts';
import { GtpackError } from '../../errors.ts';
import type { EnvName } from '../../event/names.ts';
import type { Finding } from './finding.ts';

/** Servers before it refuse `sync_interval: always`. */
const FIRST_WITH_SYNC = [2, 10] as const;

interface Asked {
  readonly env: EnvName;
  readonly bus: NatsOptions;
  /** Of the bundle. */
  readonly file: string;
}

/** What promise B1 comes to on the NATS that a bundle names, as far as its servers tell their clients. */
export async function natsDurability({ env, bus, file }: Asked): Promise<Finding[]> {
  const { servers, credentials, tls, replicas } = bus;
  let version: string;
  try {
    const connection = await Connection.open({
      ...{ servers, tls, env, replicas, instance: 'doctor', requestTimeoutMs: 3000 },
      credentials: credentials === null ? { kind: 'none' } : credentialsOf(credentials.reveal()),
    });
    version = connection.nats.info?.version ?? 'unknown';
    await connection.close();
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    return error.problems.map(({ code, message, cure }) => ({
      ...{ severity: 'error' as const, code, message, file },
      ...(cure === undefined ? {} : { cure }),
    }));
  }
  return [durabilityOn(version, replicas, file)];
}

/** @param version as a server says it, such as `2.10.22` */
export function durabilityOn(version: string, replicas: number, file: string): Finding {
  const copies = replicas === 1 ? 'one server' : `${replicas} servers, and is stored by most of them`;
  const holds = `The bus is on NATS ${version}: every event goes to ${copies} before its sender gets 202, so it survives a killed ${replicas === 1 ? 'server' : 'server and a lost one'}.`;
  if (canSync(version))
    return {
      ...{ severity: 'info', code: 'durability', file },
      message: `${holds} It survives a power loss where each server has sync_interval: always, as the configuration in docs/nats.md has; a server does not tell its clients.`,
    };
  return {
    ...{ severity: 'warning', code: 'durability', file },
    message: `${holds} It does not survive a power loss${replicas === 1 ? '' : ' of most servers at once'}: servers before ${FIRST_WITH_SYNC.join('.')} sync what they store every 2 minutes, whatever their configuration says.`,
    cure: `Run NATS ${FIRST_WITH_SYNC.join('.')} or newer with sync_interval: always; docs/nats.md has a configuration.`,
  };
}

function canSync(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [firstMajor, firstMinor] = FIRST_WITH_SYNC;
  return major > firstMajor || (major === firstMajor && minor >= firstMinor);
}
