import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connectControl, type OperatorRecords } from '../control/control.ts';
import { GtpackError } from '../errors.ts';
import { chooseBundle } from './bundle-choice.ts';
import { note, shownPath } from './output.ts';
import type { CliWorld } from './world.ts';

export interface OpenRecords {
  readonly records: OperatorRecords;
  /** A host answers; else what is mended takes effect at its next start. */
  readonly isRunning: boolean;
  close(): Promise<void>;
}

/** Nothing is forgotten while a command reads: it does not know the bundle's window. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/**
 * The dead letters and runs of a bundle: through the host that runs it, else in its store, under the store's lock.
 * @throws GtpackError `bundle_not_found`, `bus_missing`, and as the control socket and the store do
 */
export async function openRecords(world: CliWorld, named: string | undefined): Promise<OpenRecords> {
  const path = await chooseBundle(world, named);
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  try {
    const client = await connectControl(isFile ? dirname(path) : path);
    const close = (): Promise<void> => Promise.resolve(client.close());
    return { records: client.records, isRunning: true, close };
  } catch (error) {
    if (!(error instanceof GtpackError && error.code === 'host_not_running')) throw error;
  }
  const file = await storeFileOf(path);
  await note(world, `No host is running; looking into its store ${shownPath(world, file)}.`);
  const { openEmbeddedBus } = await import('../bus/embedded/embedded.ts');
  const { operatorRecords } = await import('../deploy/operator-records.ts');
  const bus = await openEmbeddedBus({ file, retentionMs: NEVER_MS });
  return { records: operatorRecords(bus, null), isRunning: false, close: () => bus.close() };
}

/** @throws GtpackError `bus_missing` where there is no store yet; none is made */
export async function storeFileOf(path: string): Promise<string> {
  const { busFileOf } = await import('../bundle/bus-file.ts');
  const file = await busFileOf(path);
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  throw new GtpackError('bus_missing', 'There is no store: no host has run this bundle yet.', {
    file,
    cure: 'Start it with `gtpack up`, or name another bundle with --bundle BUNDLE.',
  });
}
