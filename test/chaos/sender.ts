import { Agent, request } from 'node:http';
import type { PlannedEvent } from './round.ts';

export interface Accepted {
  readonly event: PlannedEvent;
  readonly id: string;
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** No host, cell or server is away for so long. */
const INSIST_MS = 90_000;

/** Sends numbered events to whichever host is up, and remembers which of them were accepted. */
export class Sender {
  /** By the id that the sender was told. */
  readonly accepted = new Map<string, Accepted>();
  /** Answers that no sender should get. */
  readonly faults: string[] = [];
  readonly #url: () => Promise<string>;
  #lastRefusal = 'no answer';
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });

  /** @param url of a host that is up, waited for where none is */
  constructor(url: () => Promise<string>) {
    this.#url = url;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves when each of the events was accepted or given up. */
  async send(events: readonly PlannedEvent[]): Promise<void> {
    await Promise.all(
      events.map(async (event) => {
        await pause(event.sendAfterMs);
        const deadline = Date.now() + INSIST_MS;
        while (!(await this.#isTaken(event)) && event.insists) {
          if (Date.now() > deadline) {
            this.faults.push(`Event ${event.n} was never accepted; at last: ${this.#lastRefusal}`);
            return;
          }
          await pause(20);
        }
      }),
    );
  }

  async #isTaken(event: PlannedEvent): Promise<boolean> {
    const { n, tenant, spins } = event;
    const type = spins === undefined ? 'order.paid' : `order.spun.${spins}`;
    const url = `${await this.#url()}/events/webhook/${tenant}/${type}`;
    const answer = await this.#post(url, event);
    if (answer === undefined) return false;
    const { status, retryAfter, body } = answer;
    if (status === 202) {
      const { id } = JSON.parse(body) as { readonly id: string };
      const before = this.accepted.get(id);
      if (before !== undefined) this.faults.push(`The id ${id} is that of ${before.event.n} and of ${n}.`);
      this.accepted.set(id, { event, id });
      return true;
    }
    this.#lastRefusal = `${status} ${body}`;
    if (![429, 503].includes(status)) this.faults.push(`Event ${n} was answered with ${status}: ${body}`);
    else if (retryAfter === undefined)
      this.faults.push(`Event ${n} was told ${status}, not when to come again.`);
    return false;
  }

  /** @returns undefined where no answer came */
  #post(url: string, { n, insists }: PlannedEvent): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const failed = (): void => resolve(undefined);
      const headers = {
        'content-type': 'application/json',
        ...(insists ? { 'idempotency-key': `event ${n}` } : {}),
      };
      const sending = request(url, { method: 'POST', agent: this.#agent, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', failed);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            body,
          }),
        );
      });
      sending.on('error', failed);
      sending.end(JSON.stringify({ n }));
    });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
