import { writeBundle } from '../system/bundle.ts';
import type { HostProcess } from '../system/host-process.ts';
import { chaosBundle } from './bundle.ts';
import type { BusUnderTest } from './bus-under-test.ts';
import { HostLives } from './host-life.ts';
import { brokenPromises, brokenResults, missing, recordsOf } from './ledger.ts';
import { planRounds, type Round, roundText } from './round.ts';
import { pause, Sender } from './sender.ts';
import { Vendor } from './vendor.ts';

export interface ChaosOptions {
  readonly bus: BusUnderTest;
  readonly seed: number;
  readonly rounds: number;
  readonly say: (line: string) => void;
}

export interface Survived {
  readonly accepted: number;
  readonly hostExit: number | null;
}

/** How long what was accepted may take, before it counts as lost. */
const SETTLE_MS = 60_000;

/** Ends things at random while events come in. @throws Error with the history of the rounds where a promise is broken */
export async function surviveRounds(options: ChaosOptions): Promise<Survived> {
  const chaos = await Chaos.open(options);
  const history: string[] = [];
  try {
    for (const round of planRounds(options.seed, options.rounds)) {
      const line = roundText(round);
      history.push(line);
      await chaos.survive(round);
      options.say(`${line}: ${chaos.accepted} accepted so far`);
    }
    return await chaos.end();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`Seed ${options.seed}: ${message}\n${history.join('\n')}\n${await chaos.lastWords()}`, {
      cause: error,
    });
  } finally {
    await chaos.close();
  }
}

class Chaos {
  readonly #bus: BusUnderTest;
  readonly #folder: string;
  readonly #vendor: Vendor;
  readonly #hosts: HostLives;
  readonly #sender: Sender;

  private constructor(bus: BusUnderTest, folder: string, vendor: Vendor) {
    this.#bus = bus;
    this.#folder = folder;
    this.#vendor = vendor;
    this.#hosts = new HostLives(folder, bus);
    this.#sender = new Sender(async () => (await this.#hosts.up).url);
  }

  static async open({ bus, seed }: ChaosOptions): Promise<Chaos> {
    const vendor = await Vendor.start((effect) => (Number(effect.split('/')[1]) * 7919 + seed) % 30);
    const folder = await writeBundle(chaosBundle(vendor.origin, bus.section));
    const chaos = new Chaos(bus, folder, vendor);
    await chaos.#hosts.up;
    return chaos;
  }

  get accepted(): number {
    return this.#sender.accepted.size;
  }

  async survive(round: Round): Promise<void> {
    const end = await this.#prepare(round);
    const sending = this.#sender.send(round.events);
    await pause(round.killAfterMs);
    await end();
    await sending;
    if (round.settles) await this.#settle();
    this.#check([]);
  }

  /** Checks all that has happened once more, with the command that operators use. */
  async end(): Promise<Survived> {
    await this.#settle();
    const hostExit = await this.#hosts.stop();
    this.#check(brokenResults(this.#hosts.seen, this.#sender.accepted));
    return { accepted: this.accepted, hostExit };
  }

  async lastWords(): Promise<string> {
    const host = await Promise.race([this.#hosts.up, pause(5000)]);
    return host === undefined ? 'No host is up.' : host.child.output().slice(-4000);
  }

  async close(): Promise<void> {
    this.#sender.close();
    await this.#vendor.close();
    await this.#bus.close();
  }

  /** @returns what ends the round's victim, at once */
  async #prepare({ victim, which, killStartAfterMs, stopsInOrder }: Round): Promise<() => Promise<void>> {
    const hosts = this.#hosts;
    const seal = (): Promise<void> => this.#sealRecorded();
    switch (victim) {
      case 'host':
        return () => hosts.replace((host) => host.kill(), seal);
      case 'start':
        return () =>
          hosts.replace(
            (host) => host.kill(),
            async () => {
              await seal();
              await hosts.startAndKill(killStartAfterMs);
              await seal();
            },
          );
      case 'cell-host':
        return () => hosts.killCellHost(which);
      case 'slice':
        return () => Promise.resolve(); // Its event is among those of the round.
      case 'bus': {
        const host = await hosts.up;
        const end = await this.#bus.prepareEnd(host);
        return async () => {
          await end.now();
          await this.#expectRefusal(host);
          if (end.restore !== undefined) await end.restore();
          else await hosts.replace((host) => (stopsInOrder ? host.terminate() : host.kill()), seal);
        };
      }
    }
  }

  /** A host without its bus accepts nothing. */
  async #expectRefusal({ url }: HostProcess): Promise<void> {
    const response = await fetch(`${url}/events/webhook/acme/order.lost`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    const body = await response.text();
    if (response.status !== 503 || response.headers.get('retry-after') === null)
      throw new Error(`A host without its bus answered ${response.status}: ${body}`);
  }

  async #sealRecorded(): Promise<void> {
    for (const effect of await this.#bus.recorded(this.#folder))
      this.#vendor.seal(effect, 'recorded in the journal of a host that is dead');
  }

  /** Resolves when all that was accepted has its result. */
  async #settle(): Promise<void> {
    const { accepted } = this.#sender;
    const { control } = await this.#hosts.up;
    for (const deadline = Date.now() + SETTLE_MS; ; await pause(50)) {
      const records = await recordsOf(control);
      const open = missing(records, accepted);
      if (open.length === 0) return this.#check(brokenPromises(records, accepted, this.#vendor));
      if (Date.now() > deadline) {
        const which = open.map((id) => `${accepted.get(id)?.event.n} (${id})`).join(', ');
        throw new Error(`Accepted and not done: ${which}`);
      }
    }
  }

  #check(broken: readonly string[]): void {
    const faults = [...broken, ...this.#sender.faults, ...this.#vendor.faults];
    if (faults.length > 0) throw new Error(faults.slice(0, 20).join('\n'));
  }
}
