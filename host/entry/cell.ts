import { parentPort } from 'node:worker_threads';
import { errorMessage } from '../errors.ts';
import { type CellClocks, flowProgram } from '../flow/cell-program.ts';
import { loadScriptEngine } from '../flow/script/quickjs.ts';
import { CellRuntime } from '../sandbox/cell-runtime.ts';
import type { CellMessage, CellStart } from '../sandbox/protocol.ts';

/** Entry of a cell: a worker that waits for the tenant it is to serve. */
const port = parentPort;
if (port === null) throw new Error('A cell is started by a cell host.');

await loadScriptEngine();

const clocks: CellClocks = {
  now: Date.now,
  cpuMs: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

port.once('message', (start: CellStart) => {
  // All that a cell needs is loaded by now; see lockdown.ts.
  process.permission.drop('fs.read');
  const runtime = new CellRuntime(start, (batch) => port.postMessage(batch), flowProgram(clocks));
  port.on('message', (batch: CellMessage[]) => runtime.receive(batch));
  runtime.opened().catch((error: unknown) => {
    port.postMessage([{ kind: 'open_failed', detail: errorMessage(error) }]);
    port.close();
  });
});
