import type { MessagePort } from 'node:worker_threads';
import { Checkpoint } from './checkpoint.ts';
import { closeDatabase, openDatabase } from './database.ts';
import { openProblem } from './fault.ts';
import { Store } from './store.ts';
import type { StoreReply, StoreRequest, StoreSetup } from './wire.ts';

/** Without a batch for so long the store idles. */
const IDLE_MS = 5;

/** Serves a store over a port until it is told to close. */
export function serveStore(port: MessagePort, setup: StoreSetup, pid: number): void {
  const reply = (message: StoreReply): void => port.postMessage(message);
  const opening = openDatabase(setup, pid);
  if (!opening.ok) {
    reply({ kind: 'refused', problem: opening.problem });
    return;
  }
  const { database } = opening;
  let store: Store;
  try {
    store = new Store(database, setup.dedupeWindowMs);
    reply({ kind: 'opened', contents: store.contents() });
  } catch (thrown) {
    closeDatabase(database, setup.file);
    reply({ kind: 'refused', problem: openProblem(thrown, setup.file, undefined) });
    return;
  }
  const checkpoint = new Checkpoint(database);
  // A fault of a checkpoint loses nothing: the pages stay in the log, and the next commit meets what is wrong.
  const step = (isIdle: boolean): void => {
    try {
      checkpoint.step(isIdle);
    } catch {}
  };
  let idle: NodeJS.Timeout | undefined;
  port.on('message', (request: StoreRequest) => {
    clearTimeout(idle);
    switch (request.kind) {
      case 'batch':
        reply(store.execute(request.operations, request.now));
        step(false);
        idle = setTimeout(step, IDLE_MS, true);
        break;
      case 'close':
        port.close();
        closeDatabase(database, setup.file);
        break;
    }
  });
}
