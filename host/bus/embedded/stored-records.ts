import type {
  DeadLetter,
  DeadLetterHead,
  DeadLetters,
  FinishedRun,
  FinishedRunHead,
  FinishedRuns,
  LetterQuery,
  LetterRef,
  Page,
  Replay,
  RunQuery,
} from '../records.ts';
import { request } from './request.ts';
import type { StoreConnection } from './store-connection.ts';
import type { OperationOf, Replayed } from './wire.ts';

/** Hears of what changed, in the turn of its commit. */
export interface LetterChanges {
  replayed(letter: LetterRef, replayed: Extract<Replayed, { outcome: 'replayed' }>, fromStart: boolean): void;
  dropped(letter: LetterRef): void;
}

export class StoredLetters implements DeadLetters {
  readonly #store: StoreConnection;
  readonly #changes: LetterChanges;

  constructor(store: StoreConnection, changes: LetterChanges) {
    this.#store = store;
    this.#changes = changes;
  }

  list(query: LetterQuery): Promise<Page<DeadLetterHead>> {
    return request<'letters'>(this.#store, { kind: 'letters', query: { ...query } }, 0);
  }

  get({ tenant, position }: LetterRef): Promise<DeadLetter | null> {
    return request<'letter'>(this.#store, { kind: 'letter', letter: { tenant, position } }, 0);
  }

  async replay(
    { tenant, position }: LetterRef,
    { fromStart }: { readonly fromStart: boolean },
  ): Promise<Replay> {
    const letter = { tenant, position };
    const operation: OperationOf<'letter_replay'> = { kind: 'letter_replay', letter, fromStart };
    const replayed = await request<'letter_replay'>(this.#store, operation, 0, (done) => {
      if (done.outcome === 'replayed') this.#changes.replayed(letter, done, fromStart);
    });
    if (replayed.outcome !== 'replayed') return replayed;
    return { outcome: 'replayed', runs: replayed.runs };
  }

  drop({ tenant, position }: LetterRef): Promise<boolean> {
    const letter = { tenant, position };
    return request<'letter_drop'>(this.#store, { kind: 'letter_drop', letter }, 0, (dropped) => {
      if (dropped) this.#changes.dropped(letter);
    });
  }
}

export class StoredRuns implements FinishedRuns {
  readonly #store: StoreConnection;

  constructor(store: StoreConnection) {
    this.#store = store;
  }

  list(query: RunQuery): Promise<Page<FinishedRunHead>> {
    return request<'runs'>(this.#store, { kind: 'runs', query: { ...query } }, 0);
  }

  get(runId: string): Promise<FinishedRun | null> {
    return request<'run'>(this.#store, { kind: 'run', runId }, 0);
  }
}
