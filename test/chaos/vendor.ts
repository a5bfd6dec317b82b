import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An effect of an event, as `charge/17`. */
export type EffectName = `${string}/${number}`;

/** What a run asks for, in order. */
export const STEPS: readonly string[] = ['reserve', 'charge', 'receipt'];

interface Effect {
  readonly keys: Set<string>;
  count: number;
  /** Why it must not be seen again. */
  closed: string | undefined;
}

/** A vendor that counts what it is asked for, by event and by idempotency key, and knows what it must not see again. */
export class Vendor {
  readonly origin: string;
  readonly faults: string[] = [];
  readonly #effects = new Map<EffectName, Effect>();
  readonly #close: () => Promise<void>;

  private constructor(origin: string, close: () => Promise<void>) {
    this.origin = origin;
    this.#close = close;
  }

  /** @param latencyMs of the answer to an effect */
  static async start(latencyMs: (effect: EffectName) => number): Promise<Vendor> {
    const server = createServer((request, response) => vendor.#onRequest(request, response, latencyMs));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const vendor = new Vendor(`http://127.0.0.1:${port}`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return vendor;
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** How often it was asked for. */
  count(effect: EffectName): number {
    return this.#effects.get(effect)?.count ?? 0;
  }

  /** From now on it must not be seen. */
  seal(effect: EffectName, why: string): void {
    const known = this.#effects.get(effect);
    if (known === undefined) this.faults.push(`${effect} is ${why}, and was never asked for.`);
    else known.closed ??= why;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, latencyMs: (effect: EffectName) => number) {
    const name = (request.url ?? '').slice(1) as EffectName;
    const [step = '', n = ''] = name.split('/');
    const key = String(request.headers['idempotency-key']);
    const effect = this.#effects.get(name) ?? { keys: new Set(), count: 0, closed: undefined };
    this.#effects.set(name, effect);
    effect.keys.add(key);
    effect.count += 1;
    if (effect.closed !== undefined)
      this.faults.push(`${name} was asked for although it is ${effect.closed}.`);
    if (effect.keys.size > 1) this.faults.push(`${name} was asked for with ${effect.keys.size} keys.`);
    // An effect is recorded before the next one begins.
    const before = STEPS[STEPS.indexOf(step) - 1];
    if (before !== undefined) this.seal(`${before}/${Number(n)}`, `followed by ${name}`);
    request.resume();
    setTimeout(() => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ effect: name }));
    }, latencyMs(name));
  }
}
