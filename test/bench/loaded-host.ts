import { readdir, readFile } from 'node:fs/promises';
import { Child } from './child.ts';
import { type MeasuredSide, type Side, summarize } from './measure.ts';
import type { ClosedLoopProcess, LoopOutcome, LoopResult } from './process/closed-loop.ts';
import type { HostProcess, HostSetup, SeenResult, SeenResults } from './process/running-host.ts';
import { number } from './table.ts';

/** A host under a closed loop of webhooks, from the request sent to its result seen on the bus. */
export class LoadedHost {
  readonly url: string;
  readonly #host: Child<HostProcess>;
  readonly #load: Child<ClosedLoopProcess>;
  readonly #outcomes: LoopOutcome[] = [];
  #failed = 0;

  private constructor(url: string, host: Child<HostProcess>, load: Child<ClosedLoopProcess>) {
    this.url = url;
    this.#host = host;
    this.#load = load;
    host.onNote = (note) => {
      const { outputs, atNs } = note as SeenResults;
      this.#failed += outputs.filter(({ status }) => status !== 'ok').length;
      const seen = outputs.map((output): LoopResult => ({ order: orderOf(output), atNs }));
      // Answered when the loop took them; nothing waits for it.
      load.call('results', seen).catch(() => undefined);
    };
  }

  /** @param paths whose tenants' cells are opened before anything is measured */
  static async start(setup: HostSetup, paths: readonly string[]): Promise<LoadedHost> {
    const host = new Child<HostProcess>('running-host');
    const load = new Child<ClosedLoopProcess>('closed-loop');
    try {
      const url = await host.call('start', setup);
      await host.call('watchResults', null);
      const headers = { 'content-type': 'application/json' };
      for (const path of paths) {
        const { status } = await fetch(url + path, {
          method: 'POST',
          headers,
          body: '{"order":{"id":0,"total":0}}',
        });
        if (status !== 202) throw new Error(`${path} answers ${status}`);
      }
      return new LoadedHost(url, host, load);
    } catch (error) {
      await Promise.all([host.stop(), load.stop()]);
      throw error;
    }
  }

  /** Results a second, with so many requests under way. @param paths taken in turn */
  side(label: string, paths: readonly string[], inFlight: number, rate?: number): Side {
    return {
      label,
      measure: async (seconds) => {
        const plan = { url: this.url, paths, inFlight, seconds, ...(rate === undefined ? {} : { rate }) };
        const outcome = await this.#load.call('run', plan);
        this.#outcomes.push(outcome);
        return outcome.perSecond;
      },
    };
  }

  /** Of the last so many measurements. */
  note({ values }: MeasuredSide): string {
    const last = this.#outcomes.slice(-values.length);
    const other = this.#outcomes.reduce((sum, outcome) => sum + outcome.other, 0);
    const p50 = summarize(last.map(({ p50Ms }) => p50Ms));
    const p99 = summarize(last.map(({ p99Ms }) => p99Ms));
    return `request sent to result seen: p50 ${number(p50.median)} ms, p99 ${number(p99.median)} ms (${number(p99.min)} to ${number(p99.max)}); not 202: ${other}, failed runs: ${this.#failed}`;
  }

  /** Resident memory of the host and of all processes that it started; 0 where the system does not tell. */
  async residentMiB(): Promise<number> {
    let kib = 0;
    for (const pid of await descendants(this.#host.pid)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      kib += Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
    }
    return kib / 1024;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#host.stop(), this.#load.stop()]);
  }
}

/** The flows of the bench give back the order's number; ticks give another shape. */
function orderOf({ output }: SeenResult): number {
  const order = (output as { order_id?: unknown } | null)?.order_id;
  return typeof order === 'number' ? order : -1;
}

async function descendants(root: number | undefined): Promise<Set<number>> {
  const parents = new Map<number, number>();
  for (const name of await readdir('/proc').catch(() => [])) {
    const stat = /^\d+$/.test(name) ? await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '') : '';
    // The name stands in parentheses and may hold anything; then come the state and the parent.
    const parent = /^ \S (\d+)/.exec(stat.slice(stat.lastIndexOf(')') + 1))?.[1];
    if (parent !== undefined) parents.set(Number(name), Number(parent));
  }
  const found = new Set(root === undefined ? [] : [root]);
  for (const pid of found) for (const [child, parent] of parents) if (parent === pid) found.add(child);
  return found;
}
