import { open, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Bundle } from '../../bundle/bundle.ts';
import { errorMessage } from '../../errors.ts';
import type { Finding } from './finding.ts';
import { natsDurability } from './nats-durability.ts';

/** File systems that hold nothing once the machine is off, by the numbers that Linux has for them (statfs(2)). */
const VOLATILE: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'tmpfs'],
  [0x858458f6, 'ramfs'],
]);
/** Those whose locks or syncs are another machine's to keep. */
const REMOTE: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
]);

/** What promise B1 comes to on this machine: that an event is durable before its sender has its 202. */
export async function durabilityOf({ env, bus, file }: Bundle): Promise<Finding[]> {
  if (bus.kind === 'nats') return natsDurability({ env, bus, file });
  const place = await nearestFolder(dirname(bus.file));
  const kind = place === undefined ? undefined : await fileSystemOf(place);
  const volatile = kind === undefined ? undefined : VOLATILE.get(kind);
  const remote = kind === undefined ? undefined : REMOTE.get(kind);
  if (volatile !== undefined) {
    return [
      {
        severity: 'warning',
        code: 'durability',
        message: `The bus would lie on ${volatile} (${bus.file}): events survive a killed host, and are gone when the machine is off.`,
        cure: 'Put the bundle, or its bus, on a disk.',
        file,
      },
    ];
  }
  const fault = place === undefined ? undefined : await syncFault(place);
  if (fault !== undefined) {
    return [
      {
        severity: 'error',
        code: 'durability',
        message: `The folder of the bus (${bus.file}) cannot be synced: ${fault}. A sender would get 202 for what is not on the disk.`,
        cure: 'Put the bundle, or its bus, on a file system with fsync.',
        file,
      },
    ];
  }
  if (remote !== undefined) {
    return [
      {
        severity: 'warning',
        code: 'durability',
        message: `The bus would lie on ${remote} (${bus.file}): what is synced there is as safe as its server makes it, and locks may not hold.`,
        cure: 'Put the bundle, or its bus, on a local disk.',
        file,
      },
    ];
  }
  return [
    {
      severity: 'info',
      code: 'durability',
      message: `The bus is embedded (${bus.file}): every event is fsynced before its sender gets 202, so it survives a killed host, and a power loss if the disk keeps what it says it has written.`,
    },
  ];
}

/** The folder, or the nearest one above it that is there. */
async function nearestFolder(folder: string): Promise<string | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    if ((await fileSystemOf(at)) !== undefined) return at;
    if (dirname(at) === at) return undefined;
  }
}

async function fileSystemOf(path: string): Promise<number | undefined> {
  try {
    return (await statfs(path)).type;
  } catch {
    return undefined;
  }
}

async function syncFault(folder: string): Promise<string | undefined> {
  try {
    await using handle = await open(folder, 'r');
    await handle.sync();
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
