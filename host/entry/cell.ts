import { parentPort } from 'node:worker_threads';
import { errorMessage } from '../errors.ts';
import { type CellClocks, flowProgram } from '../flow/cell-program.ts';
import { loadScriptEngine } from '../flow/script/quickjs.ts';
import { type FieldBindingSpec, fieldBinding } from '../interop/field-binding.ts';
import { CellRuntime } from '../sandbox/cell-runtime.ts';
import { loadSchemaCompiler } from '../sandbox/json-schema.ts';
import type { CellMessage, CellStart } from '../sandbox/protocol.ts';

/** Entry of a cell: a worker that waits for the tenant it is to serve. */
const port = parentPort;
if (port === null) throw new Error('A cell is started by a cell host.');

await loadScriptEngine();

// There by a flag of the cell host; see lockdown.ts.
const { gc: collectGarbage } = globalThis;
if (collectGarbage === undefined) throw new Error('A cell needs --expose-gc.');

const clocks: CellClocks = {
  now: Date.now,
  after: (ms, due) => {
    const timer = setTimeout(due, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
  cpuMs: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
};

port.once('message', (start: CellStart) => {
  const compileSchema = start.spec.providers.some(({ schemas }) => schemas !== undefined)
    ? loadSchemaCompiler()
    : undefined;
  // All that a cell needs is loaded by now; see lockdown.ts.
  process.permission.drop('fs.read');
  // A thread may start another with wider permissions than its own (seen with 26.10: one that reads every file).
  process.permission.drop('worker');
  const runtime = new CellRuntime(start, {
    send: (batch) => port.postMessage(batch),
    openProgram: flowProgram(clocks),
    bindComponent: (binding) => fieldBinding(binding as FieldBindingSpec, clocks.now),
    compileSchema,
    cpuMs: clocks.cpuMs,
    collectGarbage,
  });
  port.on('message', (batch: CellMessage[]) => runtime.receive(batch));
  runtime.opened().catch((error: unknown) => {
    port.postMessage([{ kind: 'open_failed', detail: errorMessage(error) }]);
    port.close();
  });
});
