import type {
  Bus,
  ConsumeOptions,
  Consumer,
  Delivery,
  JournalEntry,
  RunRecord,
  Settlement,
} from '../bus/bus.ts';
import type { ParkedRun } from '../bus/parked.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, JobResult, RunOrder } from '../sandbox/protocol.ts';
import type { Arrivals, TenantArrivals } from './arrivals.ts';
import { calledFlow } from './call.ts';
import { DeadLetterAlerts } from './dead-letter-alert.ts';
import type { Flow } from './flow.ts';
import { currentFlow, type FlowVersions, type KeptFlow, waitedFlows } from './flow-versions.ts';
import { failed, resultsOf, runErrorOf } from './job-result.ts';
import { FlowMatcher, type Match, runId } from './match.ts';
import { parkedRun, type ResumedRun, resumedRun } from './parked-run.ts';
import { decide, isFinished, type RunResult, runRecord } from './settle.ts';

/** Where runs go; the sandbox. */
export interface CellSubmit {
  /** @throws GtpackError where the job did not reach a cell or was lost with it */
  submit(tenant: TenantId, job: Job): Promise<JobResult>;
}

export interface DispatcherOptions {
  readonly bus: Pick<Bus, 'consume' | 'journals'>;
  readonly cells: CellSubmit;
  /** What parked runs go on through. */
  readonly versions: Pick<FlowVersions, 'keep' | 'load'>;
  /** Brings events to the parked runs that wait for them. */
  readonly arrivals: Pick<Arrivals, 'of'>;
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
  /** Runs of an event that is settled go on later, and may still answer its webhook. */
  readonly onParked?: (tenant: TenantId) => void;
  /** An event is to be delivered again. */
  readonly onPutOff?: (tenant: TenantId) => void;
  /** Until a settlement that could not be stored is tried again, in ms. Default: 1000. */
  readonly settleAgainMs?: number;
}

/** How a tenant's events are taken. */
export interface TenantConsume extends Pick<ConsumeOptions, 'maxInFlight' | 'ordered' | 'outside'> {
  /** Past it, and in strict order, runs wait with their events. Default: 0. */
  readonly maxParkedRuns?: number;
}

interface PendingMatch extends Pick<Match, 'trigger'> {
  readonly flow: Pick<Flow, 'name' | 'digest'>;
}

/** A run that waits for an event could not be asked about it. */
const NOT_OFFERED_MS = 1000;
/** A bus that has no space, or whose server is away, is asked again after this. */
const SETTLE_AGAIN_MS = 1000;

interface Pending {
  readonly delivery: Delivery;
  readonly resumed: ResumedRun | undefined;
  readonly matches: readonly { readonly match: PendingMatch; readonly runId: string }[];
  /** That a run which is parked goes on through. */
  readonly flows: (match: PendingMatch) => Promise<readonly KeptFlow[]>;
  /** Resolves, with whether it may go on, once the runs that wait for the event have it; undefined where none does. */
  readonly offered: Promise<boolean> | undefined;
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
  async open(tenant: TenantId, flows: readonly Flow[], consume: TenantConsume): Promise<void> {
    if (this.#tenants.has(tenant)) throw new Error(`The tenant ${tenant} is open already.`);
    const { maxParkedRuns = 0, ordered = false } = consume;
    const dispatch = new TenantDispatch(
      { tenant, flows, maxParkedRuns: ordered ? 0 : maxParkedRuns },
      this.#options,
      this.#alerts,
    );
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

interface TenantParts {
  readonly tenant: TenantId;
  readonly flows: readonly Flow[];
  readonly maxParkedRuns: number;
}

class TenantDispatch {
  readonly #maxParkedRuns: number;
  readonly #tenant: TenantId;
  readonly #options: DispatcherOptions;
  readonly #alerts: DeadLetterAlerts;
  readonly #matcher: FlowMatcher;
  readonly #flows: ReadonlyMap<string, Flow>;
  readonly #arrivals: TenantArrivals;
  readonly #consumer = Promise.withResolvers<Consumer>();
  readonly #inFlight = new Set<Promise<void>>();
  /** Attempts that are not held against an event, by its sequence; a restart forgets them. */
  readonly #spared = new Map<number, number>();
  #abandoned = false;
  readonly #left = Promise.withResolvers<void>();

  constructor(
    { tenant, flows, maxParkedRuns }: TenantParts,
    options: DispatcherOptions,
    alerts: DeadLetterAlerts,
  ) {
    this.#tenant = tenant;
    this.#maxParkedRuns = maxParkedRuns;
    this.#alerts = alerts;
    this.#options = options;
    this.#matcher = new FlowMatcher(flows);
    this.#flows = new Map(flows.map((flow) => [flow.name, flow]));
    this.#arrivals = options.arrivals.of(tenant, this.#flows);
  }

  async start(options: Pick<ConsumeOptions, 'maxInFlight' | 'ordered' | 'outside'>): Promise<void> {
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
      const pending = this.#pending(delivery);
      if (pending.matches.length === 0 && pending.offered === undefined)
        this.#track(this.#settle(this.#unmatched(delivery)));
      else work.push(pending);
    }
    const again = work.filter(
      ({ delivery, resumed }) => delivery.redelivered || delivery.attempt > 1 || resumed !== undefined,
    );
    const journals = again.length === 0 ? undefined : this.#journals(again);
    for (const pending of work) {
      this.#track(this.#process(pending, again.includes(pending) ? journals : undefined));
    }
  }

  #pending(delivery: Delivery): Pending {
    const resumed = resumedRun(delivery);
    if (resumed === undefined) {
      const matches = this.#matcher
        .match(delivery)
        .map((match) => ({ match, runId: runId(this.#tenant, delivery.id, match.flow.name, match.trigger) }));
      const flows = async ({ flow }: PendingMatch) =>
        waitedFlows(flow.name, this.#flows).map((waited) => currentFlow(waited));
      return { delivery, resumed, matches, flows, offered: this.#arrivals.offer(delivery) };
    }
    const { runId: id, flow, trigger } = resumed;
    let loading: Promise<readonly KeptFlow[]> | undefined;
    const load = () => this.#options.versions.load(this.#tenant, resumed.flows, this.#flows);
    return {
      ...{ delivery, resumed, matches: [{ match: { flow, trigger }, runId: id }], offered: undefined },
      flows: () => {
        loading ??= load();
        return loading;
      },
    };
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
    const { delivery, resumed } = pending;
    if ((await pending.offered) === false) {
      await this.#settle(this.#putOff(delivery));
      return;
    }
    if (pending.matches.length === 0) {
      await this.#settle(this.#unmatched(delivery));
      return;
    }
    const results = await this.#run(pending, journals);
    const event = resumed && { id: resumed.event.id, type: resumed.event.type };
    const runs = results.flatMap((result, at) =>
      isFinished(result)
        ? [runRecord(delivery, result, pending.matches[at]?.match.flow.digest ?? '', event)]
        : [],
    );
    const settlement = await this.#settlement(pending, results, runs);
    await this.#settle(settlement, resumed?.event.id);
  }

  /** Nothing of the event has happened: its attempt is not held against it. */
  #putOff(delivery: Delivery): Settlement {
    const { sequence } = delivery;
    this.#spared.set(sequence, (this.#spared.get(sequence) ?? 0) + 1);
    return { kind: 'nak', delivery, delayMs: NOT_OFFERED_MS };
  }

  async #settlement(
    pending: Pending,
    results: readonly RunResult[],
    runs: readonly RunRecord[],
  ): Promise<Settlement> {
    const { delivery } = pending;
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
      case 'park': {
        const { delayMs, retryMs } = decision;
        const parked = await this.#parked(pending, results, this.#options.now() + retryMs);
        if (parked === null) return { kind: 'nak', delivery, delayMs };
        const parking = { runs: parked, max: this.#maxParkedRuns, delayMs };
        return { kind: 'ack', delivery, runs: runs.filter(({ status }) => status === 'ok'), parking };
      }
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

  /**
   * @param retryAt when runs that failed are tried again
   * @returns null where one cannot be parked, and all of them wait with their event
   */
  async #parked(
    { delivery, matches, resumed, flows }: Pending,
    results: readonly RunResult[],
    retryAt: number,
  ): Promise<ParkedRun[] | null> {
    if (this.#maxParkedRuns === 0) return null;
    const parked: ParkedRun[] = [];
    for (const [at, result] of results.entries()) {
      const match = matches[at]?.match;
      const hasFailed = result.status === 'error';
      if ((result.status !== 'waiting' && !hasFailed) || match === undefined) continue;
      const kept = await this.#keep(() => flows(match));
      if (kept === null) return null;
      const versions = kept.map(({ name, digest }) => [name, digest] as const);
      const event = resumed?.event ?? delivery;
      const run = parkedRun(delivery, match.trigger, result, versions, event, hasFailed ? retryAt : 0);
      if (run === null) return null;
      parked.push(run);
    }
    return parked;
  }

  /** @returns null where the bus cannot store them at present */
  async #keep(flows: () => Promise<readonly KeptFlow[]>): Promise<readonly KeptFlow[] | null> {
    try {
      const kept = await flows();
      await this.#options.versions.keep(this.#tenant, kept);
      return kept;
    } catch (error) {
      this.#options.onSettleError(this.#tenant, error);
      return null;
    }
  }

  async #run(
    { delivery, matches, resumed, flows }: Pending,
    journals: Promise<Journals> | undefined,
  ): Promise<RunResult[]> {
    const { json } = resumed?.event ?? delivery;
    let orders: readonly RunOrder[] = matches.map((match) => orderOf(match, delivery.sequence, undefined));
    try {
      const known = await journals;
      if (known !== undefined)
        orders = matches.map((match) =>
          orderOf(match, delivery.sequence, entriesOf(resumed, known.get(match.runId))),
        );
      if (resumed !== undefined) {
        const { arrived } = resumed;
        if (arrived !== undefined) orders = orders.map((order) => ({ ...order, arrived }));
        const older = (await flows(resumed)).filter(({ isCurrent }) => !isCurrent);
        const versions = older.map((flow) => flow.json());
        if (versions.length > 0) orders = orders.map((order) => ({ ...order, versions }));
      }
      const job: Job = { kind: 'run', event: json, attempt: delivery.attempt, runs: orders };
      const results = resultsOf(await this.#options.cells.submit(this.#tenant, job), orders);
      return resumed === undefined ? results : results.map((result) => sinceResumed(result, resumed));
    } catch (error) {
      return orders.map((order) => failed(order, runErrorOf(error)));
    }
  }

  /** What the bus cannot store at present it may store later: until then the event holds its place. */
  async #settle(settled: Settlement, eventId = settled.delivery.id): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#settleOnce(settled, eventId);
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

  async #settleOnce(settled: Settlement, eventId: string): Promise<void> {
    const consumer = await this.#consumer.promise;
    if (this.#abandoned) return;
    await consumer.settle(settled);
    if (settled.kind === 'nak') {
      this.#options.onPutOff?.(this.#tenant);
      return;
    }
    if (settled.kind === 'ack' && settled.parking !== undefined) {
      this.#options.onParked?.(this.#tenant);
      return;
    }
    const reason = settled.kind === 'dead' ? settled.reason : null;
    this.#options.onEventDone?.(this.#tenant, eventId, reason);
  }
}

/** What was recorded since a run was resumed stands over what it was resumed with. */
function entriesOf(
  resumed: ResumedRun | undefined,
  known: readonly JournalEntry[] | undefined,
): readonly JournalEntry[] | undefined {
  if (resumed === undefined) return known;
  const entries = new Map(resumed.journal.map((entry) => [entry.ordinal, entry]));
  for (const entry of known ?? []) entries.set(entry.ordinal, entry);
  return [...entries.values()];
}

/** The event that resumed it counts its attempts from there. */
function sinceResumed(result: RunResult, { waits: before }: ResumedRun): RunResult {
  return result.waits === undefined ? result : { ...result, waits: Math.max(0, result.waits - before) };
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
