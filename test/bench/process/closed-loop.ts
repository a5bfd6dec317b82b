import { connect, type Socket } from 'node:net';
import { answerCalls } from '../child.ts';
import { quantile } from '../measure.ts';

export interface LoopPlan {
  /** Without a path. */
  readonly url: string;
  /** Taken in turn. */
  readonly paths: readonly string[];
  /** Requests at most under way: sent, and their result not yet seen. */
  readonly inFlight: number;
  readonly seconds: number;
  /** Events a second, evenly spaced; without it, one as soon as another is done. */
  readonly rate?: number;
}

export interface LoopOutcome {
  /** Results seen of events that this sent. */
  readonly perSecond: number;
  /** From the request sent to its result seen. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers with another status than 202. */
  readonly other: number;
}

/** A result as the tap saw it: the number that the request carried, and when. */
export interface LoopResult {
  readonly order: number;
  readonly atNs: bigint;
}

/**
 * Sends webhooks on connections of its own and waits for their results, which the bench passes on. By hand, as autocannon
 * sends its next request when the one before is answered, not when its event is worked off.
 */
class Loop {
  readonly #plan: LoopPlan;
  readonly #idle: Connection[] = [];
  readonly #sent = new Map<number, { readonly connection: Connection; readonly atNs: bigint }>();
  readonly #timesMs: number[] = [];
  readonly #connections: Connection[] = [];
  #nextOrder: number;
  #other = 0;
  #running = true;

  constructor(plan: LoopPlan, firstOrder: number) {
    this.#plan = plan;
    this.#nextOrder = firstOrder;
  }

  async run(): Promise<LoopOutcome> {
    const { inFlight, seconds, rate } = this.#plan;
    for (let i = 0; i < inFlight; i += 1) {
      const connection = await Connection.open(this.#plan, (order, status) => this.#answered(order, status));
      this.#connections.push(connection);
      this.#idle.push(connection);
    }
    const startedAt = performance.now();
    const tick = rate === undefined ? undefined : this.#sendAtRate(rate, startedAt);
    if (rate === undefined) while (this.#idle.length > 0) this.#send(process.hrtime.bigint());
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    this.#running = false;
    clearInterval(tick);
    const perSecond = this.#timesMs.length / ((performance.now() - startedAt) / 1000);
    const times = this.#timesMs.toSorted((a, b) => a - b);
    for (const connection of this.#connections) connection.close();
    // A first short round may have been too short for a machine with other things to do.
    const [p50Ms, p99Ms] =
      times.length === 0 ? [Number.NaN, Number.NaN] : [quantile(times, 0.5), quantile(times, 0.99)];
    return { perSecond, p50Ms, p99Ms, other: this.#other };
  }

  get nextOrder(): number {
    return this.#nextOrder;
  }

  seen({ order, atNs }: LoopResult): void {
    const sent = this.#sent.get(order);
    if (sent === undefined) return;
    this.#timesMs.push(Number(atNs - sent.atNs) / 1e6);
    sent.connection.resultSeen = true;
    this.#settle(order);
  }

  /** Each event is timed from when it was due, so that a late one counts as late. */
  #sendAtRate(rate: number, startedAt: number): NodeJS.Timeout {
    const startedNs = process.hrtime.bigint();
    let due = 0;
    return setInterval(() => {
      const elapsed = (performance.now() - startedAt) / 1000;
      while (due < elapsed * rate && this.#idle.length > 0) {
        this.#send(startedNs + BigInt(Math.floor((due / rate) * 1e9)));
        due += 1;
      }
    }, 1);
  }

  #send(atNs: bigint): void {
    const connection = this.#idle.pop();
    if (connection === undefined) return;
    const order = this.#nextOrder;
    this.#nextOrder += 1;
    this.#sent.set(order, { connection, atNs });
    connection.send(order);
  }

  #answered(order: number, status: number): void {
    const sent = this.#sent.get(order);
    if (sent === undefined) return;
    // No result will come of it.
    if (status !== 202) {
      this.#other += 1;
      sent.connection.resultSeen = true;
    }
    sent.connection.answerSeen = true;
    this.#settle(order);
  }

  #settle(order: number): void {
    const connection = this.#sent.get(order)?.connection;
    if (connection === undefined || !connection.answerSeen || !connection.resultSeen) return;
    this.#sent.delete(order);
    this.#idle.push(connection);
    if (this.#running && this.#plan.rate === undefined) this.#send(process.hrtime.bigint());
  }
}

const HEAD_END = '\r\n\r\n';

/** One HTTP/1.1 connection with one request at a time. */
class Connection {
  answerSeen = false;
  resultSeen = false;
  readonly #socket: Socket;
  readonly #heads: readonly string[];
  #order = -1;
  #received = '';

  private constructor(
    socket: Socket,
    { url, paths }: LoopPlan,
    answered: (order: number, status: number) => void,
  ) {
    this.#socket = socket;
    const { host } = new URL(url);
    this.#heads = paths.map(
      (path) => `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n`,
    );
    socket.setNoDelay(true).setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
      const headEnd = this.#received.indexOf(HEAD_END);
      if (headEnd === -1) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1]);
      if (this.#received.length < headEnd + HEAD_END.length + length) return;
      const status = Number(this.#received.slice(9, 12));
      this.#received = '';
      answered(this.#order, status);
    });
    socket.on('error', () => undefined);
  }

  static open(plan: LoopPlan, answered: (order: number, status: number) => void): Promise<Connection> {
    const { hostname, port } = new URL(plan.url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => resolve(new Connection(socket, plan, answered)));
      socket.once('error', reject);
    });
  }

  send(order: number): void {
    this.#order = order;
    this.answerSeen = false;
    this.resultSeen = false;
    const body = `{"order":{"id":${order},"total":99.5}}`;
    const head = this.#heads[order % this.#heads.length] ?? '';
    this.#socket.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
  }

  close(): void {
    this.#socket.destroy();
  }
}

let loop: Loop | undefined;
let nextOrder = 1;

const handlers = {
  async run(plan: LoopPlan): Promise<LoopOutcome> {
    loop = new Loop(plan, nextOrder);
    const outcome = await loop.run();
    nextOrder = loop.nextOrder;
    return outcome;
  },

  results(results: readonly LoopResult[]): void {
    for (const result of results) loop?.seen(result);
  },
};

export type ClosedLoopProcess = typeof handlers;

answerCalls(handlers, () => undefined);
