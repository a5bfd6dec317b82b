import { Worker } from 'node:worker_threads';
import { answerCalls } from '../child.ts';

const READY = "require('node:worker_threads').parentPort.postMessage(0)";

/** A worker thread that holds nothing. */
const handlers = {
  /** @returns milliseconds until its first message */
  async start(_: null): Promise<number> {
    const startedAt = performance.now();
    const worker = new Worker(READY, { eval: true, env: {} });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    const ms = performance.now() - startedAt;
    await worker.terminate();
    return ms;
  },
};

export type BareWorkerProcess = typeof handlers;

answerCalls(handlers, () => undefined);
