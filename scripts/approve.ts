import { dirname } from 'node:path';
import { loadBundle } from '../host/bundle/load.ts';
import { type Pin, type Pins, readLock, writeLock } from '../host/bundle/lock-file.ts';
import { grantedCapabilities } from '../host/grant/grants.ts';
import { readPack } from '../host/pack/read-pack.ts';

/**
 * Pins every pack of a bundle with the grants that stand there: for whoever wrote the bundle and built its packs. What others
 * built is looked at first, by `gtpack install`.
 */
export async function approveAll(folder: string): Promise<Pins> {
  const { tenants, file } = await loadBundle(folder);
  const pins = new Map<string, ReadonlyMap<string, Pin>>();
  for (const { id, providers } of tenants) {
    const own = new Map<string, Pin>();
    for (const { id: provider, pack, grants } of providers) {
      const { digest, signer } = await readPack(pack);
      own.set(provider, { digest, publisher: signer, grants: grantedCapabilities(grants) });
    }
    pins.set(id, own);
  }
  const { path } = await readLock(dirname(file));
  await writeLock({ path, pins });
  return pins;
}
