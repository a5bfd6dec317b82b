import { parentPort } from 'node:worker_threads';
import { errorMessage } from '../errors.ts';
import { openFlowProgram } from '../flow/cell-program.ts';
import { loadScriptEngine } from '../flow/script/quickjs.ts';
import { CellRuntime } from '../sandbox/cell-runtime.ts';
import type { CellMessage, CellStart } from '../sandbox/protocol.ts';

/** Entry of a cell: a worker that waits for the tenant it is to serve. */
const port = parentPort;
if (port === null) throw new Error('A cell is started by a cell host.');

await loadScriptEngine();

port.once('message', (start: CellStart) => {
  // All that a cell needs is loaded by now; see lockdown.ts.
  process.permission.drop('fs.read');
  const runtime = new CellRuntime(start, (batch) => port.postMessage(batch), openFlowProgram);
  port.on('message', (batch: CellMessage[]) => runtime.receive(batch));
  runtime.opened().catch((error: unknown) => {
    port.postMessage([{ kind: 'open_failed', detail: errorMessage(error) }]);
    port.close();
  });
});
