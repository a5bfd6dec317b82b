import { ALONE } from '../../../host/deploy/check.ts';
import type { Job } from '../../../host/sandbox/protocol.ts';
import { Sandbox } from '../../../host/sandbox/sandbox.ts';
import { answerCalls } from '../child.ts';
import { quantile } from '../measure.ts';
import { orderBody } from '../payload.ts';
import { benchCell, openProvider, tenant, webhookRequest } from '../provider.ts';

export interface CallsSetup {
  /** Path of a pack with one provider. */
  readonly pack: string;
  readonly cacheDir: string;
  readonly call: 'echo' | 'ingest';
}

const sandbox = new Sandbox(ALONE);
let job: Job | undefined;

async function once(): Promise<void> {
  if (job === undefined) throw new Error('not started');
  const result = await sandbox.submit(tenant, job);
  if (result.kind !== 'output' && result.kind !== 'events') throw new Error(JSON.stringify(result));
}

/** Calls of a provider in its cell: this process, the cell host, the worker, and back. */
const handlers = {
  async start({ pack, cacheDir, call }: CallsSetup): Promise<void> {
    const code = await openProvider(pack, cacheDir);
    const { spec } = code;
    sandbox.register(tenant, await benchCell(code));
    await sandbox.prepare(tenant);
    job =
      call === 'ingest'
        ? { kind: 'ingest', provider: spec.id, request: webhookRequest() }
        : { kind: 'invoke', provider: spec.id, operation: 'echo', input: orderBody() };
  },

  /** @returns microseconds a call, with so many in flight */
  async measure({ seconds, inFlight }: { seconds: number; inFlight: number }): Promise<number> {
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    let calls = 0;
    const caller = async (): Promise<void> => {
      while (performance.now() < end) {
        await once();
        calls += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    return ((performance.now() - startedAt) * 1000) / calls;
  },

  /** One call at a time. */
  async latency(seconds: number): Promise<{ p50Us: number; p99Us: number }> {
    const times: number[] = [];
    const end = performance.now() + seconds * 1000;
    for (let sentAt = performance.now(); sentAt < end; ) {
      await once();
      const now = performance.now();
      times.push((now - sentAt) * 1000);
      sentAt = now;
    }
    times.sort((a, b) => a - b);
    return { p50Us: quantile(times, 0.5), p99Us: quantile(times, 0.99) };
  },
};

export type CellCallsProcess = typeof handlers;

answerCalls(handlers, () => sandbox.stop());
