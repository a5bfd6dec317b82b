import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { entryUrl } from '../../entry.ts';
import { errorMessage, GtpackError } from '../../errors.ts';
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

/** How many operations and bytes may wait for the store before new events are refused. */
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
}

type Phase =
  | { readonly kind: 'open' }
  | { readonly kind: 'closing'; readonly done: Promise<void> }
  | { readonly kind: 'failed'; readonly error: GtpackError; readonly ended: Promise<unknown> };

/**
 * The main side of the store's thread: group commit. While the store commits one batch, operations gather for the next.
 *
 * Answers are called in commit order, all of a batch in one turn, and only after the commit (B1).
 */
export class StoreConnection {
  readonly contents: StoreContents;
  /** Called after the answers of a batch. */
  onBatch: () => void = () => undefined;
  readonly #worker: Worker;
  readonly #scheduler: Scheduler;
  readonly #bounds: QueueBounds;
  #phase: Phase = { kind: 'open' };
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #committing: readonly Waiting[] = [];
  #flushPlanned = false;
  #onDrained: () => void = () => undefined;

  private constructor(worker: Worker, contents: StoreContents, scheduler: Scheduler, bounds: QueueBounds) {
    this.#worker = worker;
    this.contents = contents;
    this.#scheduler = scheduler;
    this.#bounds = bounds;
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

  /** Whether the queue takes another operation of this size; one larger than the bound passes when it is alone. */
  hasRoom(bytes: number): boolean {
    return (
      this.#queue.length < this.#bounds.maxQueuedOperations &&
      (this.#queuedBytes === 0 || this.#queuedBytes + bytes <= this.#bounds.maxQueuedBytes)
    );
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
    this.#queue.push({ operation, bytes, answer: answer as Waiting['answer'] });
    this.#queuedBytes += bytes;
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
    let count = 0;
    let bytes = 0;
    for (const waiting of this.#queue) {
      if (count === MAX_BATCH_OPERATIONS || (count > 0 && bytes + waiting.bytes > MAX_BATCH_BYTES)) break;
      bytes += waiting.bytes;
      count += 1;
    }
    if (count === 0) return;
    this.#committing = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    const operations = this.#committing.map(({ operation }) => operation);
    this.#post({ kind: 'batch', now: Math.floor(this.#scheduler.now()), operations });
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
        break;
      case 'aborted': {
        const error = unavailable(`The bus could not store it: ${reply.reason}.`);
        if (reply.fatal) this.#fail(reply.reason);
        else this.#flush();
        for (const { answer } of batch) answer({ ok: false, error });
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
    const lost = [...this.#committing, ...this.#queue];
    this.#committing = [];
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const { answer } of lost) answer({ ok: false, error });
    this.onBatch();
    this.#onDrained();
  }

  #refusal(phase: Exclude<Phase, { kind: 'open' }>): GtpackError {
    return phase.kind === 'failed' ? phase.error : unavailable('The bus is closed.');
  }
}

const STOPPED = 'Start the host again. Where it stops again, stop it and run `gtpack bus check`.';

function unavailable(message: string, cure?: string): GtpackError {
  return new GtpackError('bus_unavailable', message, cure === undefined ? {} : { cure });
}
