import { parentPort } from 'node:worker_threads';
import { CellRuntime } from '../sandbox/cell-runtime.ts';
import type { CellMessage, CellStart } from '../sandbox/protocol.ts';

/** Entry of a cell: a worker that waits for the tenant it is to serve. */
const port = parentPort;
if (port === null) throw new Error('A cell is started by a cell host.');

port.once('message', (start: CellStart) => {
  // All that a cell needs is loaded by now; see lockdown.ts.
  process.permission.drop('fs.read');
  const runtime = new CellRuntime(
    start,
    (batch) => port.postMessage(batch),
    async () => ({ run: async () => [] }),
  );
  port.on('message', (batch: CellMessage[]) => runtime.receive(batch));
  void runtime.opened();
});
