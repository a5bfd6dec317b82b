import type {
  Bus,
  ConsumeOptions,
  Consumer,
  Delivery,
  JournalEntry,
  RunRecord,
  Settlement,
} from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, JobResult, RunOrder } from '../sandbox/protocol.ts';
import { calledFlow } from './call.ts';
import { DeadLetterAlerts } from './dead-letter-alert.ts';
import type { Flow } from './flow.ts';
import { failed, resultsOf, runErrorOf } from './job-result.ts';
import { FlowMatcher, type Match, runId } from './match.ts';
import { decide, isFinished, type RunResult, runRecord } from './settle.ts';

/** Where runs go; the sandbox. */
export interface CellSubmit {
  /** @throws GtpackError where the job did not reach a cell or was lost with it */
  submit(tenant: TenantId, job: Job): Promise<JobResult>;
}

export interface DispatcherOptions {
  readonly bus: Pick<Bus, 'consume' | 'journals'>;
  readonly cells: CellSubmit;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** A settlement could not be stored: it is tried again where that may help, else its event comes again at the next start. */
  readonly onSettleError: (tenant: TenantId, error: unknown) => void;
  /**
   * Every run of the event is over and settled: nobody will answer its webhook any more.
   * @param reason why it is in the dead letters; null if it is not
   */
  readonly onEventDone?: (tenant: TenantId, eventId: string, reason: string | null) => void;
  /** An event is to be delivered again. */
  readonly onPutOff?: (tenant: TenantId) => void;
  /** Until a settlement that could not be stored is tried again, in ms. Default: 1000. */
  readonly settleAgainMs?: number;
}

/** A bus that has no space, or whose server is away, is asked again after this. */
const SETTLE_AGAIN_MS = 1000;

interface Pending {
  readonly delivery: Delivery;
  readonly matches: readonly { readonly match: Match; readonly runId: string }[];
}

/** Carries the events of tenants from the bus to their cells, and settles them by how their runs end. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #tenants = new Map<TenantId, TenantDispatch>();
  readonly #alerts: DeadLetterAlerts;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#alerts = new DeadLetterAlerts(options.now);
  }

  /** Begins to consume a tenant's events, so many of them at a time, or in strict order. */
  async open(
    tenant: TenantId,
    flows: readonly Flow[],
    consume: Pick<ConsumeOptions, 'maxInFlight' | 'ordered'>,
  ): Promise<void> {
    if (this.#tenants.has(tenant)) throw new Error(`The tenant ${tenant} is open already.`);
    const dispatch = new TenantDispatch(tenant, flows, this.#options, this.#alerts);
    this.#tenants.set(tenant, dispatch);
    try {
      await dispatch.start(consume);
    } catch (error) {
      this.#tenants.delete(tenant);
      throw error;
    }
  }

  /**
   * Takes no new events and waits for those in flight (promise B7).
   * @param graceMs how long to wait; what is not settled by then is delivered again at the next start
   * @returns how many were left
   */
  async stop(graceMs: number): Promise<number> {
    const tenants = [...this.#tenants.values()];
    this.#tenants.clear();
    const deadline = new Deadline(graceMs);
    try {
      const drained = Promise.all(tenants.map((tenant) => tenant.drain()));
      await Promise.race([drained, deadline.passed]);
    } finally {
      deadline.clear();
    }
    return tenants.reduce((left, tenant) => left + tenant.abandon(), 0);
  }
}

class Deadline {
  readonly passed: Promise<void>;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.passed = promise;
    this.#timer = setTimeout(resolve, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}

class TenantDispatch {
  readonly #tenant: TenantId;
  readonly #options: DispatcherOptions;
  readonly #alerts: DeadLetterAlerts;
  readonly #matcher: FlowMatcher;
  readonly #consumer = Promise.withResolvers<Consumer>();
  readonly #inFlight = new Set<Promise<void>>();
  /** Attempts that are not held against an event, by its sequence; a restart forgets them. */
  readonly #spared = new Map<number, number>();
  #abandoned = false;
  readonly #left = Promise.withResolvers<void>();

  constructor(
    tenant: TenantId,
    flows: readonly Flow[],
    options: DispatcherOptions,
    alerts: DeadLetterAlerts,
  ) {
    this.#tenant = tenant;
    this.#alerts = alerts;
    this.#options = options;
    this.#matcher = new FlowMatcher(flows);
  }

  async start(options: Pick<ConsumeOptions, 'maxInFlight' | 'ordered'>): Promise<void> {
    const consumer = await this.#options.bus.consume(this.#tenant, {
      ...options,
      onDeliveries: (deliveries) => this.#take(deliveries),
    });
    this.#consumer.resolve(consumer);
  }

  async drain(): Promise<void> {
    const consumer = await this.#consumer.promise;
    await consumer.stop();
    // Deliveries may have come until the consumer had stopped.
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** Settles nothing more. @returns how many deliveries are left unsettled */
  abandon(): number {
    this.#abandoned = true;
    this.#left.resolve();
    return this.#inFlight.size;
  }

  #take(deliveries: readonly Delivery[]): void {
    const work: Pending[] = [];
    for (const delivery of deliveries) {
      const matches = this.#matcher
        .match(delivery)
        .map((match) => ({ match, runId: runId(this.#tenant, delivery.id, match.flow.name, match.trigger) }));
      if (matches.length === 0) this.#track(this.#settle(this.#unmatched(delivery)));
      else work.push({ delivery, matches });
    }
    const again = work.filter(({ delivery }) => delivery.redelivered || delivery.attempt > 1);
    const journals = again.length === 0 ? undefined : this.#journals(again);
    for (const pending of work) {
      this.#track(this.#process(pending, again.includes(pending) ? journals : undefined));
    }
  }

  /** No flow waits for the event; one that is called by its name may have been removed since. */
  #unmatched(delivery: Delivery): Settlement {
    const called = calledFlow(delivery.schedule);
    if (called === undefined) return { kind: 'ack', delivery, runs: [] };
    const reason = `Flow ${called}: flow_unknown: The flow cannot be called by its name any more.`;
    const alert = this.#alerts.of(delivery, reason, called);
    return { kind: 'dead', delivery, reason, runs: [], ...(alert === undefined ? {} : { alert }) };
  }

  #track(done: Promise<void>): void {
    const settled = done.finally(() => this.#inFlight.delete(settled));
    this.#inFlight.add(settled);
  }

  #journals(pending: readonly Pending[]): Promise<Journals> {
    const journals = this.#options.bus.journals(
      pending.flatMap(({ matches }) => matches.map((match) => match.runId)),
    );
    // Each delivery awaits it; a rejection must not be unhandled meanwhile.
    journals.catch(() => undefined);
    return journals;
  }

  async #process(pending: Pending, journals: Promise<Journals> | undefined): Promise<void> {
    const { delivery } = pending;
    const results = await this.#run(pending, journals);
    const runs = results.flatMap((result, at) =>
      isFinished(result) ? [runRecord(delivery, result, pending.matches[at]?.match.flow.digest ?? '')] : [],
    );
    await this.#settle(this.#settlement(delivery, results, runs));
  }

  #settlement(delivery: Delivery, results: readonly RunResult[], runs: readonly RunRecord[]): Settlement {
    const { sequence, attempt } = delivery;
    const spared = this.#spared.get(sequence) ?? 0;
    const decision = decide(attempt, spared, results, this.#options.random);
    if (decision.kind !== 'nak') this.#spared.delete(sequence);
    switch (decision.kind) {
      case 'taken':
        // Of a delivery that is another host's, the bus heeds no settlement; it frees the place that it holds here.
        return { kind: 'nak', delivery, delayMs: 0 };
      case 'ack':
        return { kind: 'ack', delivery, runs };
      case 'nak':
        if (decision.spared) this.#spared.set(sequence, spared + 1);
        return { kind: 'nak', delivery, delayMs: decision.delayMs };
      case 'dead': {
        const { reason } = decision;
        const failed = results.find(({ status }) => status === 'error');
        const alert = this.#alerts.of(delivery, reason, failed?.flow ?? null);
        return { kind: 'dead', delivery, reason, runs, ...(alert === undefined ? {} : { alert }) };
      }
    }
  }

  async #run({ delivery, matches }: Pending, journals: Promise<Journals> | undefined): Promise<RunResult[]> {
    let orders: readonly RunOrder[] = matches.map((match) => orderOf(match, delivery.sequence, undefined));
    try {
      const known = await journals;
      if (known !== undefined)
        orders = matches.map((match) => orderOf(match, delivery.sequence, known.get(match.runId)));
      const job: Job = { kind: 'run', event: delivery.json, attempt: delivery.attempt, runs: orders };
      return resultsOf(await this.#options.cells.submit(this.#tenant, job), orders);
    } catch (error) {
      return orders.map((order) => failed(order, runErrorOf(error)));
    }
  }

  /** What the bus cannot store at present it may store later: until then the event holds its place. */
  async #settle(settled: Settlement): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#settleOnce(settled);
        return;
      } catch (error) {
        if (tries === 1) this.#options.onSettleError(this.#tenant, error);
        if (!(error instanceof GtpackError && error.retryable)) return;
      }
      const pause = new Deadline(this.#options.settleAgainMs ?? SETTLE_AGAIN_MS);
      await Promise.race([pause.passed, this.#left.promise]);
      pause.clear();
      if (this.#abandoned) return;
    }
  }

  async #settleOnce(settled: Settlement): Promise<void> {
    const consumer = await this.#consumer.promise;
    if (this.#abandoned) return;
    await consumer.settle(settled);
    if (settled.kind === 'nak') {
      this.#options.onPutOff?.(this.#tenant);
      return;
    }
    const reason = settled.kind === 'dead' ? settled.reason : null;
    this.#options.onEventDone?.(this.#tenant, settled.delivery.id, reason);
  }
}

type Journals = ReadonlyMap<string, readonly JournalEntry[]>;

function orderOf(
  { match, runId: id }: Pending['matches'][number],
  sequence: number,
  entries: readonly JournalEntry[] | undefined,
): RunOrder {
  const journal = (entries ?? []).toSorted((a, b) => a.ordinal - b.ordinal).map(({ entry }) => entry);
  return { runId: id, flow: match.flow.name, trigger: match.trigger, position: sequence, journal };
}
