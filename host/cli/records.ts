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
  const { keptBusOf } = await import('../bundle/bus-file.ts');
  const kept = await keptBusOf(path, world.env);
  if (kept.bus.kind === 'embedded') {
    await checkStore(kept.bus.file);
    await note(world, `No host is running; looking into its store ${shownPath(world, kept.bus.file)}.`);
  } else {
    await note(world, `No host is running here; asking the NATS server ${kept.bus.servers.join(', ')}.`);
  }
  const { openKeptBus } = await import('../deploy/open-bus.ts');
  const { operatorRecords } = await import('../deploy/operator-records.ts');
  const bus = await openKeptBus(kept);
  return { records: operatorRecords(bus, null), isRunning: false, close: () => bus.close() };
}

/**
 * The file of a bundle's embedded bus.
 * @throws GtpackError `bus_missing` where there is no store yet, or none of this kind
 */
export async function storeFileOf(world: CliWorld, path: string): Promise<string> {
  const { keptBusOf } = await import('../bundle/bus-file.ts');
  const { bus } = await keptBusOf(path, world.env);
  if (bus.kind === 'nats')
    throw new GtpackError(
      'bus_missing',
      'The bus of this bundle is on NATS: there is no file to look through.',
      {
        cure: 'A NATS server checks its store when it starts. `nats stream report` shows the streams, whose names begin with greentic-.',
      },
    );
  await checkStore(bus.file);
  return bus.file;
}

/** No store is made for whoever only looks. */
async function checkStore(file: string): Promise<void> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  throw new GtpackError('bus_missing', 'There is no store: no host has run this bundle yet.', {
    file,
    cure: 'Start it with `gtpack up`, or name another bundle with --bundle BUNDLE.',
  });
}
