import { ALONE } from '../../../host/deploy/check.ts';
import type { Job } from '../../../host/sandbox/protocol.ts';
import { Sandbox } from '../../../host/sandbox/sandbox.ts';
import { answerCalls } from '../child.ts';
import { type GuestJob, guestJob } from '../guest-jobs.ts';
import { quantile } from '../measure.ts';
import { benchCell, grantsOf, openProvider, tenant } from '../provider.ts';

export interface CallsSetup {
  /** Path of a pack with one provider. */
  readonly pack: string;
  readonly cacheDir: string;
  readonly call: GuestJob;
  /** As a bundle writes them. */
  readonly grants?: unknown;
}

export interface LoadedCalls {
  readonly usPerCall: number;
  /** Of one call, from the main process and back to it. */
  readonly p99Us: number;
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
  async start({ pack, cacheDir, call, grants }: CallsSetup): Promise<void> {
    const code = await openProvider(pack, cacheDir, grantsOf(grants));
    const { spec } = code;
    sandbox.register(tenant, await benchCell(code));
    await sandbox.prepare(tenant);
    job = guestJob(call, spec.id);
  },

  /** With so many calls in flight. */
  async measure({ seconds, inFlight }: { seconds: number; inFlight: number }): Promise<LoadedCalls> {
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    const times: number[] = [];
    const caller = async (): Promise<void> => {
      for (let sentAt = performance.now(); sentAt < end; ) {
        await once();
        const now = performance.now();
        times.push((now - sentAt) * 1000);
        sentAt = now;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
    const usPerCall = ((performance.now() - startedAt) * 1000) / times.length;
    times.sort((a, b) => a - b);
    return { usPerCall, p99Us: quantile(times, 0.99) };
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
