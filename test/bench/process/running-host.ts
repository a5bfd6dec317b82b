import { loadBundle } from '../../../host/bundle/load.ts';
import { RunRecorder } from '../../../host/flow/run-recorder.ts';
import { startHost } from '../../../host/host.ts';
import type { RunningHost } from '../../../host/running-host.ts';
import { answerCalls, note } from '../child.ts';

export interface HostSetup {
  /** Its folder. */
  readonly bundle: string;
  /** False to leave out what a run records before it goes on: no host can be told so, and none may. Default true. */
  readonly journal?: boolean;
}

/** Results that became durable together. */
export interface SeenResults {
  readonly outputs: readonly SeenResult[];
  /** `process.hrtime.bigint()`, which all processes of a machine share. */
  readonly atNs: bigint;
}

export interface SeenResult {
  readonly status: string;
  readonly output: unknown;
}

let host: RunningHost | undefined;

/** A host, as `gtpack up` starts one. */
const handlers = {
  async start({ bundle, journal = true }: HostSetup): Promise<string> {
    if (!journal) RunRecorder.prototype.record = async () => ({ kind: 'ok', output: 'null' });
    host = await startHost(await loadBundle(bundle, {}), {
      log: ({ level, message }) => {
        if (level === 'error') process.stderr.write(`host: ${message}\n`);
      },
    });
    return host.url;
  },

  /** From here on each result on the bus is told to the bench. */
  watchResults(_: null): void {
    host?.control.tap((messages) => {
      const atNs = process.hrtime.bigint();
      const outputs: SeenResult[] = [];
      for (const { kind, json } of messages) {
        if (kind === 'result') outputs.push(JSON.parse(json) as SeenResult);
      }
      if (outputs.length > 0) note({ outputs, atNs } satisfies SeenResults);
    });
  },
};

export type HostProcess = typeof handlers;

answerCalls(handlers, () => host?.stop(5000));
