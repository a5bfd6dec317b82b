import { parentPort, workerData } from 'node:worker_threads';
import { serveStore } from '../bus/embedded/store-thread.ts';
import type { StoreSetup } from '../bus/embedded/wire.ts';

/** Entry of the thread that owns the embedded bus's database. */
if (parentPort === null) throw new Error('bus-store is started as a worker thread');
serveStore(parentPort, workerData as StoreSetup, process.pid);
