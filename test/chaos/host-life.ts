import type { Seen } from '../system/bus-log.ts';
import { cellHosts, gtpack, type HostProcess, hostOf, isAlive, until } from '../system/host-process.ts';
import type { BusUnderTest } from './bus-under-test.ts';
import { pause } from './sender.ts';

/** The hosts of one bundle, one after the other. */
export class HostLives {
  /** What their tails have shown. */
  readonly seen: Seen[] = [];
  readonly #folder: string;
  readonly #bus: BusUnderTest;
  readonly #cellHosts = new Set<number>();
  #up: Promise<HostProcess>;

  constructor(folder: string, bus: BusUnderTest) {
    this.#folder = folder;
    this.#bus = bus;
    this.#up = this.#start();
  }

  /** The host that takes requests, waited for where there is none. */
  get up(): Promise<HostProcess> {
    return this.#up;
  }

  /** A host that is gone by the time this resolves, and another one after it. @param between while there is none */
  async replace(
    end: (host: HostProcess) => Promise<unknown>,
    between: () => Promise<unknown>,
  ): Promise<void> {
    const before = await this.#up;
    const next = Promise.withResolvers<HostProcess>();
    // Senders wait for the next one from here on.
    this.#up = next.promise;
    this.#noteCellHosts(before);
    await end(before);
    this.#keep(before);
    await between();
    next.resolve(this.#start());
    await this.#up;
  }

  /** Starts a host and kills it so long after. */
  async startAndKill(afterMs: number): Promise<void> {
    const child = gtpack(['up', this.#folder], this.#bus.nodeOptions);
    const gone = new Promise((resolve) => child.once('close', resolve));
    await pause(afterMs);
    if (child.pid !== undefined) for (const pid of cellHosts(child.pid)) this.#cellHosts.add(pid);
    child.kill('SIGKILL');
    await gone;
  }

  /** @param which from 0 up to, not including, 1 */
  async killCellHost(which: number): Promise<void> {
    const { pid } = await this.#up;
    let found: number[] = [];
    await until(() => {
      found = cellHosts(pid);
      return found.length > 0;
    });
    const victim = found[Math.floor(which * found.length)];
    if (victim !== undefined) process.kill(victim, 'SIGKILL');
  }

  /** @returns its exit status */
  async stop(): Promise<number | null> {
    const host = await this.#up;
    this.#noteCellHosts(host);
    const status = await host.terminate();
    this.#keep(host);
    // Those of hosts that were killed end by themselves.
    await until(() => ![...this.#cellHosts].some(isAlive));
    return status;
  }

  #start(): Promise<HostProcess> {
    return hostOf(this.#folder, gtpack(['up', this.#folder], this.#bus.nodeOptions));
  }

  #noteCellHosts({ pid }: HostProcess): void {
    for (const each of cellHosts(pid)) this.#cellHosts.add(each);
  }

  #keep({ bus }: HostProcess): void {
    this.seen.push(...bus.seen);
  }
}
