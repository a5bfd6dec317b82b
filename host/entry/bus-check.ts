import { parentPort, workerData } from 'node:worker_threads';
import { checkStore } from '../bus/embedded/store-check.ts';

/** Entry of the thread that looks through a store that no host serves. */
if (parentPort === null) throw new Error('bus-check is started as a worker thread');
parentPort.postMessage(checkStore(String(workerData)));
