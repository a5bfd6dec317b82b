import type { ErrorCode } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type { EventMessage, JournalEntry, RunRecord } from '../bus.ts';
import type { Owner } from '../owner.ts';
import type {
  DeadLetter,
  DeadLetterHead,
  DeadRun,
  FinishedRun,
  FinishedRunHead,
  LetterQuery,
  LetterRef,
  Page,
  RunQuery,
} from '../records.ts';
import type { SchedulePosition, ScheduleStart, ScheduleTick } from '../schedules.ts';
import type { DeleteOutcome, StateOutcome, StateQuota, StoredValue } from '../state.ts';
import type { DueTimers, StoredTimer, Timer, TimerPage, TimerQueue, WaitingTimers } from '../timers.ts';

/**
 * The wire between the main side and the store's thread: one message a batch, each way, one transaction a batch.
 * Outcomes come in the order of the operations.
 */

/** Handed to the thread when it starts. */
export interface StoreSetup {
  readonly file: string;
  readonly dedupeWindowMs: number;
  /** Bound on the database file; past it the store answers as on a full disk. */
  readonly maxFileBytes: number;
}

/** Main side → store. */
export type StoreRequest =
  /** `now` is the main side's clock, in milliseconds since the Unix epoch. */
  | { readonly kind: 'batch'; readonly now: number; readonly operations: readonly Operation[] }
  | { readonly kind: 'close' };

/** Store → main side. */
export type StoreReply =
  | { readonly kind: 'opened'; readonly contents: StoreContents }
  /** The file cannot be served; the thread ends. */
  | { readonly kind: 'refused'; readonly problem: StoreProblem }
  /** `crowded`: the file nears its bound. */
  | { readonly kind: 'committed'; readonly outcomes: readonly Outcome[]; readonly crowded: boolean }
  /** Nothing of the batch was stored. After a `fatal` one the store does nothing more; `full` is the disk or the file. */
  | { readonly kind: 'aborted'; readonly reason: string; readonly fatal: boolean; readonly full: boolean };

export interface StoreProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cure: string;
  readonly file: string;
}

/** What the store held when it was opened. */
export interface StoreContents {
  /** Highest position ever given; 0 for a new store. */
  readonly lastSequence: number;
  readonly tenants: readonly StoredTenant[];
}

export interface StoredTenant {
  readonly tenant: TenantId;
  readonly pending: number;
  readonly deadLetters: number;
}

export type Operation =
  | {
      readonly kind: 'publish';
      readonly tenant: TenantId;
      readonly messages: readonly EventMessage[];
      readonly journal: readonly JournalEntry[];
    }
  | {
      readonly kind: 'ack';
      readonly event: SettledEvent;
      readonly runs: readonly RunRecord[];
      readonly parking: StoredParking | null;
    }
  | { readonly kind: 'nak'; readonly event: SettledEvent; readonly availableAt: number }
  | {
      readonly kind: 'dead';
      readonly event: SettledEvent;
      readonly reason: string;
      readonly runs: readonly RunRecord[];
      /** The runs with their journals as JSON text of an array. */
      readonly runsJson: string;
      readonly alert: EventMessage | null;
    }
  | {
      readonly kind: 'pull';
      readonly tenant: TenantId;
      /** Fresh events are read past this position; null reads due retries only. */
      readonly after: number | null;
      readonly limit: number;
      /** Retries that are in flight. */
      readonly leasedRetries: readonly number[];
      /** In the order of their positions: nothing behind an event that was put off. `after` is not null then. */
      readonly ordered: boolean;
    }
  | { readonly kind: 'journals'; readonly runIds: readonly string[] }
  | { readonly kind: 'sweep'; readonly storedBefore: number }
  | { readonly kind: 'state_get'; readonly owner: Owner; readonly key: string }
  | {
      readonly kind: 'state_set';
      readonly owner: Owner;
      readonly key: string;
      readonly json: string;
      readonly quota: StateQuota;
      readonly ifRevision: number | null | undefined;
      readonly ttlMs: number | null;
    }
  | {
      readonly kind: 'state_delete';
      readonly owner: Owner;
      readonly key: string;
      readonly ifRevision: number | null | undefined;
    }
  | {
      readonly kind: 'timer_set';
      readonly owner: Owner;
      readonly timer: Timer;
      readonly maxTimers: number;
    }
  | { readonly kind: 'timer_clear'; readonly owner: Owner; readonly id: string }
  | {
      readonly kind: 'timer_list';
      readonly owner: Owner;
      readonly after: string | null;
      readonly limit: number;
    }
  | { readonly kind: 'timer_queues' }
  | { readonly kind: 'timer_get'; readonly owner: Owner; readonly id: string }
  /** Of parked runs that wait for an event, behind the one of that number. */
  | { readonly kind: 'waits'; readonly after: number; readonly limit: number }
  | {
      readonly kind: 'timers_due';
      readonly queue: TimerQueue;
      /** The clock of whoever asks; due is what is not later. */
      readonly at: number;
      readonly limit: number;
    }
  | {
      readonly kind: 'timer_fire';
      readonly owner: Owner;
      readonly timer: Pick<StoredTimer, 'revision' | 'dueAt'>;
      readonly event: EventMessage;
      readonly nextDueAt: number | null;
    }
  | { readonly kind: 'schedules_begin'; readonly schedules: readonly ScheduleStart[]; readonly at: number }
  | (ScheduleTick & { readonly kind: 'schedule_tick'; readonly messages: readonly EventMessage[] })
  | { readonly kind: 'letters'; readonly query: LetterQuery }
  | { readonly kind: 'letter'; readonly letter: LetterRef }
  | { readonly kind: 'letter_replay'; readonly letter: LetterRef; readonly fromStart: boolean }
  | { readonly kind: 'letter_drop'; readonly letter: LetterRef }
  | { readonly kind: 'runs'; readonly query: RunQuery }
  | { readonly kind: 'run'; readonly runId: string }
  | { readonly kind: 'oldest'; readonly tenants: readonly TenantId[] };

export interface StoredParking {
  readonly runs: readonly { readonly runId: string; readonly timer: Timer }[];
  readonly max: number;
  /** Of the event, where there is no room. */
  readonly availableAt: number;
}

export interface SettledEvent {
  readonly tenant: TenantId;
  readonly sequence: number;
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
}

/** What each kind of operation answers. */
export interface Results {
  /** The position of each message; 0 where the id was stored before. */
  readonly publish: readonly number[];
  /** False if the event was settled before; `put_off` where its runs found no room to be parked. */
  readonly ack: boolean | 'put_off';
  /** False if the event was settled before. */
  readonly nak: boolean;
  /** Null if the event was settled before; else the position of the alert, 0 without one. */
  readonly dead: number | null;
  readonly pull: Pulled;
  /** Entries of each run id asked for, in order. */
  readonly journals: readonly (readonly JournalEntry[])[];
  /** Whether there is more to sweep. */
  readonly sweep: boolean;
  readonly state_get: StoredValue | null;
  /** `again`: some that had expired were taken away, and there is more to take before it is known whether it fits. */
  readonly state_set: StateOutcome | 'again';
  readonly state_delete: DeleteOutcome;
  /** False where it would be one too many. */
  readonly timer_set: boolean;
  readonly timer_clear: boolean;
  readonly timer_list: TimerPage;
  readonly timer_queues: readonly WaitingTimers[];
  readonly timers_due: DueTimers;
  readonly timer_get: StoredTimer | null;
  readonly waits: {
    readonly timers: readonly (Pick<Timer, 'id' | 'metadata'> & { readonly tenant: TenantId })[];
    /** Where the next page begins; null behind the last one. */
    readonly next: number | null;
  };
  /** The position of the event, 0 where its id was stored before; null where the timer was another one by then. */
  readonly timer_fire: number | null;
  readonly schedules_begin: readonly SchedulePosition[];
  /** `sequences`: as of `publish`. */
  readonly schedule_tick:
    | { readonly kind: 'ticked'; readonly sequences: readonly number[] }
    | { readonly kind: 'past'; readonly position: SchedulePosition }
    | { readonly kind: 'busy' };
  readonly letters: Page<DeadLetterHead>;
  readonly letter: DeadLetter | null;
  readonly letter_replay: Replayed;
  readonly letter_drop: boolean;
  readonly runs: Page<FinishedRunHead>;
  readonly run: FinishedRun | null;
  /** When the oldest event of each that is not settled was stored; null without one. */
  readonly oldest: readonly (number | null)[];
}

export type Replayed =
  | {
      readonly outcome: 'replayed';
      readonly runs: readonly DeadRun[];
      readonly event: EventMessage;
      readonly sequence: number;
    }
  | { readonly outcome: 'gone' | 'superseded' };

export interface Pulled {
  readonly events: readonly StoredEvent[];
  /** Fresh events lie past the ones that were read. */
  readonly more: boolean;
  /** When the nearest retry that is neither in flight nor in `events` is due; null without one. */
  readonly nextDue: number | null;
}

export interface StoredEvent extends EventMessage {
  readonly sequence: number;
  readonly attempt: number;
  /** An operator had it delivered again. */
  readonly replayed: boolean;
}

export type OperationKind = Operation['kind'];
export type OperationOf<K extends OperationKind> = Extract<Operation, { readonly kind: K }>;

/** The outcome of one operation; a failed one stored nothing and failed no other. */
export type Outcome<K extends OperationKind = OperationKind> =
  | { readonly ok: true; readonly result: Results[K] }
  | { readonly ok: false; readonly reason: string };
