import { onTestFinished } from 'vitest';
import type { Bundle } from '../../host/bundle/bundle.ts';
import { loadBundle } from '../../host/bundle/load.ts';
import type { Environment } from '../../host/bundle/read-secrets.ts';
import { startHost } from '../../host/host.ts';
import type { HostLogLine, RunningHost } from '../../host/running-host.ts';
import { BusLog } from './bus-log.ts';

/** A host in this process, with all that it said and all that passed on its bus since it started. */
export interface HostHere {
  readonly host: RunningHost;
  readonly url: string;
  readonly bus: BusLog;
  readonly lines: HostLogLine[];
  /** @param graceMs for running work; 5 s unless told */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts the bundle of a folder. It is stopped at the end of the test at the latest.
 * @param port instead of the bundle's
 * @param environment for the bundle's secrets, none of which are read without it
 */
export async function startHere(folder: string, port?: string, environment?: Environment): Promise<HostHere> {
  const here = await openHere(folder, port, environment);
  onTestFinished(() => here.stop(0));
  return here;
}

/** The same, for whoever stops it. */
export async function openHere(folder: string, port?: string, environment?: Environment): Promise<HostHere> {
  const lines: HostLogLine[] = [];
  const bus = new BusLog();
  const loaded = await loadBundle(folder, environment);
  const bundle: Bundle =
    port === undefined ? loaded : { ...loaded, http: { ...loaded.http, port: Number(port) } };
  const host = await startHost(bundle, { log: (line) => lines.push(line) });
  // In the same turn of the event loop: nothing that was left unfinished can be done before.
  host.control.tap(bus.listener);
  let stopped: Promise<void> | undefined;
  const stop = (graceMs = 5000): Promise<void> => {
    stopped ??= host.stop(graceMs);
    return stopped;
  };
  return { host, url: host.url, bus, lines, stop };
}
