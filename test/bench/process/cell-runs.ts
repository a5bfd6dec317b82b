import { ALONE } from '../../../host/deploy/check.ts';
import { digestOf } from '../../../host/deploy/digest.ts';
import { loadFlow } from '../../../host/flow/load.ts';
import { loadScriptWasm } from '../../../host/flow/script/script-wasm.ts';
import { DEFAULT_LIMITS } from '../../../host/limits.ts';
import type { Job } from '../../../host/sandbox/protocol.ts';
import { Sandbox } from '../../../host/sandbox/sandbox.ts';
import { answerCalls } from '../child.ts';
import { orderBody } from '../payload.ts';
import { tenant } from '../provider.ts';

export interface RunsSetup {
  /** The text of a flow that an event of the type `order.created` starts and that has no effects. */
  readonly flow: string;
}

const sandbox = new Sandbox(ALONE);
let job: Job | undefined;

const EVENT = JSON.stringify({
  id: '01990000-0000-7000-8000-000000000000',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: 1_790_000_000_000,
  payload: JSON.parse(orderBody()) as unknown,
  metadata: { trace_id: '0'.repeat(32), correlation_id: '01990000-0000-7000-8000-000000000000', hops: 0 },
});

async function once(): Promise<void> {
  if (job === undefined) throw new Error('not started');
  const result = await sandbox.submit(tenant, job);
  if (result.kind !== 'runs' || result.runs[0]?.status !== 'ok') throw new Error(JSON.stringify(result));
}

/** Runs of one flow in its cell: this process, the cell host, the worker, and back. */
const handlers = {
  async start({ flow: text }: RunsSetup): Promise<void> {
    const flow = await loadFlow({ text, file: 'bench.ygtc', scripts: {} });
    const wasm = await loadScriptWasm();
    const scriptModule = await digestOf(wasm);
    sandbox.register(tenant, {
      spec: {
        tenant,
        providers: [],
        program: { flows: [flow], scriptModule },
        programModules: [scriptModule],
        limits: DEFAULT_LIMITS,
      },
      modules: new Map([[scriptModule, wasm]]),
    });
    await sandbox.prepare(tenant);
    const order = { runId: 'a'.repeat(32), flow: flow.name, trigger: 0, position: 1, journal: [] };
    job = { kind: 'run', event: EVENT, attempt: 1, runs: [order] };
    await once();
  },

  /** @returns microseconds a run, with so many in flight */
  async measure({ seconds, inFlight }: { seconds: number; inFlight: number }): Promise<number> {
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    let runs = 0;
    const runner = async (): Promise<void> => {
      while (performance.now() < end) {
        await once();
        runs += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, runner));
    return ((performance.now() - startedAt) * 1000) / runs;
  },
};

export type CellRunsProcess = typeof handlers;

answerCalls(handlers, () => sandbox.stop());
