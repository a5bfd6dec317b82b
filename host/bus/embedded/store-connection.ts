import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { entryUrl } from '../../entry.ts';
import { errorMessage, GtpackError } from '../../errors.ts';
import { SharedAmount } from '../../fairness/share.ts';
import { TurnQueue } from '../../fairness/turn-queue.ts';
import { laneOf } from './lane.ts';
import type { Scheduler } from './scheduler.ts';
import type {
  Operation,
  OperationKind,
  OperationOf,
  Outcome,
  Results,
  StoreContents,
  StoreReply,
  StoreRequest,
  StoreSetup,
} from './wire.ts';

/** A batch is one transaction: bounded, so that no commit takes long. */
const MAX_BATCH_OPERATIONS = 512;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** How many operations and bytes may wait for the store, of all tenants; of one, no more than it leaves for others. */
export interface QueueBounds {
  readonly maxQueuedOperations: number;
  /** Counted as UTF-16, two bytes a character: the most the text can take in memory. */
  readonly maxQueuedBytes: number;
}

export type Answer<K extends OperationKind> =
  | { readonly ok: true; readonly result: Results[K] }
  | { readonly ok: false; readonly error: GtpackError };

interface Waiting {
  readonly operation: Operation;
  readonly bytes: number;
  readonly answer: (answer: Answer<OperationKind>) => void;
  readonly lane: string;
}

type Phase =
  | { readonly kind: 'open' }
  | { readonly kind: 'closing'; readonly done: Promise<void> }
  | { readonly kind: 'failed'; readonly error: GtpackError; readonly ended: Promise<unknown> };

/**
 * The main side of the store's thread: group commit. While the store commits one batch, operations gather for the next,
 * into which tenants put theirs in turns (B2): what one of them has waiting delays no other.
 *
 * Answers are called in commit order, all of a batch in one turn, and only after the commit (B1).
 */
export class StoreConnection {
  readonly contents: StoreContents;
  /** Called after the answers of a batch. */
  onBatch: () => void = () => undefined;
  /** Called while the file nears its bound, or has reached it. */
  onCrowded: () => void = () => undefined;
  readonly #worker: Worker;
  readonly #scheduler: Scheduler;
  readonly #operations: SharedAmount;
  readonly #bytes: SharedAmount;
  #phase: Phase = { kind: 'open' };
  readonly #lost = Promise.withResolvers<GtpackError>();
  readonly #queue = new TurnQueue<Waiting>();
  #committing: readonly Waiting[] = [];
  #flushPlanned = false;
  #onDrained: () => void = () => undefined;

  private constructor(worker: Worker, contents: StoreContents, scheduler: Scheduler, bounds: QueueBounds) {
    this.#worker = worker;
    this.contents = contents;
    this.#scheduler = scheduler;
    this.#operations = new SharedAmount(bounds.maxQueuedOperations);
    this.#bytes = new SharedAmount(bounds.maxQueuedBytes);
    worker.on('message', (reply: StoreReply) => this.#onReply(reply));
    worker.on('error', (error) => this.#fail(`the store's thread broke: ${errorMessage(error)}`));
    worker.on('exit', (status) => this.#fail(`the store's thread ended with status ${status}`));
  }

  /** @throws GtpackError `bus_locked`, `bus_schema_newer`, `bus_corrupt`, `bus_disk_full`, `bus_unwritable` */
  static async open(setup: StoreSetup, scheduler: Scheduler, bounds: QueueBounds): Promise<StoreConnection> {
    const worker = new Worker(entryUrl('bus-store'), { workerData: setup, execArgv: [], env: {} });
    const [reply] = (await once(worker, 'message')) as [StoreReply];
    if (reply.kind === 'opened') return new StoreConnection(worker, reply.contents, scheduler, bounds);
    await worker.terminate();
    if (reply.kind !== 'refused') throw new GtpackError('bus_unavailable', `The store said ${reply.kind}.`);
    const { code, message, cure, file } = reply.problem;
    throw new GtpackError(code, message, { cure, file });
  }

  /**
   * Whether the queue takes another operation of this size; one larger than its share passes when nothing else waits.
   * @param lane as `laneOf` says
   */
  hasRoom(lane: string, bytes: number): boolean {
    return this.#operations.hasRoom(lane, 1) && (this.#bytes.inAll === 0 || this.#bytes.hasRoom(lane, bytes));
  }

  /** Resolves when the thread has stopped for good without having been told to. */
  get lost(): Promise<GtpackError> {
    return this.#lost.promise;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#committing.length === 0;
  }

  /** @param answer must not throw */
  submit<K extends OperationKind>(
    operation: OperationOf<K>,
    bytes: number,
    answer: (answer: Answer<K>) => void,
  ): void {
    if (this.#phase.kind !== 'open') {
      answer({ ok: false, error: this.#refusal(this.#phase) });
      return;
    }
    // The answer at an index belongs to the operation at that index, so its kind is this one's.
    const lane = laneOf(operation);
    this.#queue.push(lane, { operation, bytes, answer: answer as Waiting['answer'], lane });
    this.#operations.add(lane, 1);
    this.#bytes.add(lane, bytes);
    if (this.#committing.length > 0 || this.#flushPlanned) return;
    this.#flushPlanned = true;
    // After the turn's I/O, so that what arrived together is committed together.
    setImmediate(() => {
      this.#flushPlanned = false;
      if (this.#committing.length === 0) this.#flush();
    });
  }

  /** Takes nothing new, commits what waits, and ends the thread. */
  close(): Promise<void> {
    if (this.#phase.kind === 'closing') return this.#phase.done;
    if (this.#phase.kind === 'failed') return this.#phase.ended.then(() => undefined);
    const done = this.#drain();
    this.#phase = { kind: 'closing', done };
    return done;
  }

  async #drain(): Promise<void> {
    const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    if (!this.isIdle)
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    this.#post({ kind: 'close' });
    await exited;
  }

  #flush(): void {
    const batch: Waiting[] = [];
    let bytes = 0;
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      const isFull = batch.length === MAX_BATCH_OPERATIONS || bytes + next.bytes > MAX_BATCH_BYTES;
      if (isFull && batch.length > 0) break;
      this.#take(batch);
      bytes += next.bytes;
    }
    if (batch.length === 0) return;
    this.#committing = batch;
    const operations = batch.map(({ operation }) => operation);
    this.#post({ kind: 'batch', now: Math.floor(this.#scheduler.now()), operations });
  }

  #take(into: Waiting[]): void {
    const next = this.#queue.take();
    if (next === undefined) return;
    this.#operations.remove(next.lane, 1);
    this.#bytes.remove(next.lane, next.bytes);
    into.push(next);
  }

  #post(request: StoreRequest): void {
    this.#worker.postMessage(request);
  }

  #onReply(reply: StoreReply): void {
    const batch = this.#committing;
    this.#committing = [];
    switch (reply.kind) {
      case 'committed':
        this.#flush(); // The store works while this side handles the answers.
        this.#answer(batch, reply.outcomes);
        if (reply.crowded) this.onCrowded();
        break;
      case 'aborted': {
        const error = reply.full
          ? full(reply.reason)
          : unavailable(`The bus could not store it: ${reply.reason}.`);
        if (reply.fatal) this.#fail(reply.reason);
        else this.#flush();
        for (const { answer } of batch) answer({ ok: false, error });
        if (reply.full) this.onCrowded();
        break;
      }
      case 'opened':
      case 'refused':
        break; // Heard by `open`.
    }
    this.onBatch();
    if (this.isIdle) this.#onDrained();
  }

  #answer(batch: readonly Waiting[], outcomes: readonly Outcome[]): void {
    for (const [index, { answer }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome?.ok === true) answer(outcome);
      else {
        const reason = outcome?.reason ?? 'the store gave no outcome';
        answer({
          ok: false,
          error: new GtpackError('bus_unavailable', `The bus refused it: ${reason}.`, { retryable: false }),
        });
      }
    }
  }

  /** No work from here on; everything that waits is refused with the reason. */
  #fail(reason: string): void {
    if (this.#phase.kind === 'failed') return;
    if (this.#phase.kind === 'closing' && this.isIdle) return; // It was told to end.
    const error = unavailable(`The bus has stopped: ${reason}.`, STOPPED);
    this.#phase = { kind: 'failed', error, ended: this.#worker.terminate() };
    this.#lost.resolve(error);
    const lost = [...this.#committing];
    while (this.#queue.length > 0) this.#take(lost);
    this.#committing = [];
    for (const { answer } of lost) answer({ ok: false, error });
    this.onBatch();
    this.#onDrained();
  }

  #refusal(phase: Exclude<Phase, { kind: 'open' }>): GtpackError {
    return phase.kind === 'failed' ? phase.error : unavailable('The bus is closed.');
  }
}

const STOPPED = 'Start the host again. Where it stops again, stop it and run `gtpack bus check`.';

function full(reason: string): GtpackError {
  return new GtpackError('bus_disk_full', `The bus has no space left (${reason}).`, {
    cure: 'Free space on its disk, or raise bus.max_bytes; nothing that was accepted is lost meanwhile.',
  });
}

function unavailable(message: string, cure?: string): GtpackError {
  return new GtpackError('bus_unavailable', message, cure === undefined ? {} : { cure });
}
