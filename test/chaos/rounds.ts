import { writeBundle } from '../system/bundle.ts';
import type { HostProcess } from '../system/host-process.ts';
import { chaosBundle } from './bundle.ts';
import type { BusUnderTest } from './bus-under-test.ts';
import { HostLives } from './host-life.ts';
import { brokenResults } from './ledger.ts';
import { planRounds, type Round, roundText } from './round.ts';
import { Scene } from './scene.ts';
import { pause } from './sender.ts';

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
  readonly #hosts: HostLives;
  readonly #scene: Scene;

  private constructor(bus: BusUnderTest, folder: string, hosts: HostLives, scene: Scene) {
    this.#bus = bus;
    this.#folder = folder;
    this.#hosts = hosts;
    this.#scene = scene;
  }

  static async open({ bus, seed }: ChaosOptions): Promise<Chaos> {
    const up = Promise.withResolvers<HostLives>();
    const scene = await Scene.open(seed, async () => (await (await up.promise).up).url);
    const folder = await writeBundle(chaosBundle(scene.vendor.origin, { bus: bus.section }));
    const hosts = new HostLives(folder, bus);
    up.resolve(hosts);
    await hosts.up;
    return new Chaos(bus, folder, hosts, scene);
  }

  get accepted(): number {
    return this.#scene.sender.accepted.size;
  }

  async survive(round: Round): Promise<void> {
    const end = await this.#prepare(round);
    const sending = this.#scene.sender.send(round.events);
    await pause(round.killAfterMs);
    await end();
    await sending;
    if (round.settles) await this.#settle();
    this.#scene.check([]);
  }

  /** Checks all that has happened once more. */
  async end(): Promise<Survived> {
    await this.#settle();
    const hostExit = await this.#hosts.stop();
    // In the rounds of a server that others run, it is taken away again and again.
    const repeats = this.#bus.section === undefined ? 'never' : 'after an outage';
    this.#scene.check(brokenResults(this.#hosts.seen, this.#scene.sender.accepted, repeats));
    return { accepted: this.accepted, hostExit };
  }

  async lastWords(): Promise<string> {
    const host = await Promise.race([this.#hosts.up, pause(5000)]);
    return host === undefined ? 'No host is up.' : host.child.output().slice(-4000);
  }

  async close(): Promise<void> {
    await this.#scene.close();
    await this.#bus.close();
  }

  /** @returns what ends the round's victim, at once */
  async #prepare({ victim, which, killStartAfterMs }: Round): Promise<() => Promise<void>> {
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
          if (end.restore === undefined) await hosts.replace(expectEnd, seal);
          else {
            await this.#expectRefusal(host);
            await end.restore();
          }
        };
      }
    }
  }

  /** A host whose bus is away accepts nothing. */
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
      this.#scene.vendor.seal(effect, 'recorded in the journal of a host that is dead');
  }

  async #settle(): Promise<void> {
    await this.#scene.settle(await this.#hosts.up);
  }
}

/** A host whose bus is gone for good ends by itself, with the status by which it is started again. */
async function expectEnd({ ended }: HostProcess): Promise<void> {
  const status = await ended;
  if (status !== 1) throw new Error(`A host whose bus is gone for good ended with ${status}.`);
}
