import type { ControlClient } from '../../host/control/control.ts';
import { GtpackError } from '../../host/errors.ts';
import { brokenPromises, missing, recordsOf } from './ledger.ts';
import { pause, Sender } from './sender.ts';
import { Vendor } from './vendor.ts';

/** How long what was accepted may take, before it counts as lost. */
const SETTLE_MS = 90_000;

/** Senders before the hosts, a vendor behind them, and what both have seen. */
export class Scene {
  readonly vendor: Vendor;
  readonly sender: Sender;

  private constructor(vendor: Vendor, sender: Sender) {
    this.vendor = vendor;
    this.sender = sender;
  }

  /** @param url of a host that is up, waited for where none is */
  static async open(seed: number, url: () => Promise<string>): Promise<Scene> {
    const vendor = await Vendor.start((effect) => (Number(effect.split('/')[1]) * 7919 + seed) % 30);
    return new Scene(vendor, new Sender(url));
  }

  /** Resolves when all that was accepted has its result. @throws Error where one is lost, or a promise was broken */
  async settle({ control }: { readonly control: ControlClient }): Promise<void> {
    const { accepted } = this.sender;
    for (const deadline = Date.now() + SETTLE_MS; ; await pause(50)) {
      const records = await recordsOf(control).catch(asNotYet);
      const open = records === undefined ? [...accepted.keys()] : missing(records, accepted);
      if (records !== undefined && open.length === 0)
        return this.check(brokenPromises(records, accepted, this.vendor));
      if (Date.now() > deadline) {
        const which = open.map((id) => `${accepted.get(id)?.event.n} (${id})`).join(', ');
        throw new Error(`Accepted and not done: ${which}`);
      }
    }
  }

  /** @throws Error where a promise was broken */
  check(broken: readonly string[]): void {
    const faults = [...broken, ...this.sender.faults, ...this.vendor.faults];
    if (faults.length > 0) throw new Error(faults.slice(0, 20).join('\n'));
  }

  async close(): Promise<void> {
    this.sender.close();
    await this.vendor.close();
  }
}

/** A bus that chooses another leader, or that comes back, tells nobody what it holds. */
function asNotYet(error: unknown): undefined {
  if (error instanceof GtpackError && error.code === 'bus_unavailable') return undefined;
  throw error;
}
