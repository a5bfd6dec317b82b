import { Worker } from 'node:worker_threads';
import { loadScriptWasm } from '../../../../host/flow/script/script-wasm.ts';

/** As a cell host does: compiles the module and hands it to a worker that has no other way to it. */
const module = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
const worker = new Worker(new URL('./worker.ts', import.meta.url));
worker.once('message', (report: unknown) => process.stdout.write(JSON.stringify(report)));
worker.postMessage(module);
