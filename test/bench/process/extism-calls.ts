import { availableParallelism } from 'node:os';
import { createPlugin, type Plugin } from '@extism/extism';
import { answerCalls } from '../child.ts';
import { orderBody } from '../payload.ts';

/** A plugin of Extism in a worker of its own: it serves one call at a time, and keeps every call's blocks until a reset. */
interface Lease {
  readonly plugin: Plugin;
  calls: number;
}

/** Of 1, 16, 64 and 256 calls the one that gave the most calls a second; without resets each call costs more than the last. */
const CALLS_A_RESET = 16;

const all: Lease[] = [];
const idle: Lease[] = [];
const waiting: ((lease: Lease) => void)[] = [];
const input = orderBody();

async function once(): Promise<void> {
  const lease = idle.pop() ?? (await new Promise<Lease>((resolve) => waiting.push(resolve)));
  const output = await lease.plugin.call('echo', input);
  if (output?.text().length !== input.length) throw new Error('not an echo');
  lease.calls += 1;
  if (lease.calls % CALLS_A_RESET === 0) await lease.plugin.reset();
  const next = waiting.shift();
  if (next === undefined) idle.push(lease);
  else next(lease);
}

/** Calls of a plugin of Extism in its worker mode, which is the isolated one. */
const handlers = {
  /**
   * As many workers as cores: of 1, 2, 4, 8 and 64 of them on two cores, two gave the most calls a second.
   * @returns how many
   */
  async start(wasm: Uint8Array): Promise<number> {
    const workers = availableParallelism();
    for (let worker = 0; worker < workers; worker += 1) {
      const plugin = await createPlugin({ wasm: [{ data: wasm }] }, { runInWorker: true });
      all.push({ plugin, calls: 0 });
    }
    idle.push(...all);
    await once();
    return workers;
  },

  /** @returns calls a second, with so many in flight */
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
    return (calls * 1000) / (performance.now() - startedAt);
  },
};

export type ExtismCallsProcess = typeof handlers;

answerCalls(handlers, async () => {
  for (const { plugin } of all) await plugin.close();
});
