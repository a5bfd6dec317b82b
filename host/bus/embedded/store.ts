import type { DatabaseSync, StatementResultingChanges } from 'node:sqlite';
import type { TenantId } from '../../event/names.ts';
import type { EventMessage, JournalEntry, RunRecord } from '../bus.ts';
import { Backlog } from './backlog.ts';
import { isFatalFault, isFull, isStorageFault } from './fault.ts';
import { RecordTables } from './record-tables.ts';
import { ScheduleTable } from './schedule-table.ts';
import { StateTable } from './state-table.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { Sweep } from './sweep.ts';
import { TimerTable } from './timer-table.ts';
import type {
  Operation,
  OperationOf,
  Outcome,
  Results,
  SettledEvent,
  StoreContents,
  StoreReply,
} from './wire.ts';

/** Carries out batches of operations on the database, one transaction each. Runs in the store's thread. */
export class Store {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #sweep: Sweep;
  readonly #state: StateTable;
  readonly #timers: TimerTable;
  readonly #schedules: ScheduleTable;
  readonly #records: RecordTables;
  readonly #backlog: Backlog;
  readonly #dedupeWindowMs: number;

  constructor(database: DatabaseSync, dedupeWindowMs: number) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#state = new StateTable(this.#statements);
    this.#sweep = new Sweep(database, this.#state);
    this.#timers = new TimerTable(this.#statements);
    this.#schedules = new ScheduleTable(database);
    this.#records = new RecordTables(database);
    this.#backlog = new Backlog(this.#statements);
    this.#dedupeWindowMs = dedupeWindowMs;
  }

  /** Counts what is there; run once, when the store is opened. */
  contents(): StoreContents {
    const tenants = new Map<string, { pending: number; deadLetters: number }>();
    const countsOf = (name: string): { pending: number; deadLetters: number } => {
      const counts = tenants.get(name) ?? { pending: 0, deadLetters: 0 };
      tenants.set(name, counts);
      return counts;
    };
    for (const row of this.#statements.countPending.all())
      countsOf(row.tenant as string).pending = row.total as number;
    for (const row of this.#statements.countDeadLetters.all())
      countsOf(row.tenant as string).deadLetters = row.total as number;
    return {
      lastSequence: (this.#statements.lastSequence.get()?.seq as number | undefined) ?? 0,
      tenants: [...tenants].map(([tenant, counts]) => ({ tenant: tenant as TenantId, ...counts })),
    };
  }

  /** One transaction. An operation that fails stores nothing and fails no other; a fault of the storage fails all. */
  execute(operations: readonly Operation[], now: number): StoreReply {
    const { begin, commit, rollback } = this.#statements;
    try {
      begin.run();
      let outcomes = this.#together(operations, now);
      if (outcomes === undefined) {
        rollback.run();
        begin.run();
        outcomes = this.#oneByOne(operations, now);
      }
      commit.run();
      return { kind: 'committed', outcomes, crowded: this.#sweep.isCrowded() };
    } catch (thrown) {
      let fatal = isFatalFault(thrown);
      try {
        if (this.#database.isTransaction) rollback.run();
      } catch {
        fatal = true; // What the open transaction holds is not known any more.
      }
      return { kind: 'aborted', reason: reasonOf(thrown), fatal, full: isFull(thrown) };
    }
  }

  /** Without a savepoint an operation: nearly every batch is sound. @returns undefined for one that is not */
  #together(operations: readonly Operation[], now: number): Outcome[] | undefined {
    try {
      return operations.map((operation) => ({ ok: true, result: this.#perform(operation, now) }));
    } catch (thrown) {
      if (isStorageFault(thrown) || !this.#database.isTransaction) throw thrown;
      return undefined;
    }
  }

  #oneByOne(operations: readonly Operation[], now: number): Outcome[] {
    const { savepoint, release, undo } = this.#statements;
    return operations.map((operation): Outcome => {
      savepoint.run();
      let outcome: Outcome;
      try {
        outcome = { ok: true, result: this.#perform(operation, now) };
      } catch (thrown) {
        if (isStorageFault(thrown) || !this.#database.isTransaction) throw thrown;
        undo.run();
        outcome = { ok: false, reason: reasonOf(thrown) };
      }
      release.run();
      return outcome;
    });
  }

  #perform(operation: Operation, now: number): Results[Operation['kind']] {
    switch (operation.kind) {
      case 'publish':
        return this.#publish(operation, now);
      case 'ack':
        return this.#ack(operation, now);
      case 'nak':
        return this.#nak(operation);
      case 'dead':
        return this.#bury(operation, now);
      case 'pull':
        return this.#backlog.pull(operation, now);
      case 'journals':
        return operation.runIds.map((runId) => this.#journalOf(runId));
      case 'sweep':
        return this.#sweep.step(operation.storedBefore, now);
      case 'state_get':
        return this.#state.get(operation, now);
      case 'state_set':
        return this.#state.set(operation, now);
      case 'state_delete':
        return this.#state.delete(operation, now);
      case 'timer_set':
        return this.#timers.set(operation);
      case 'timer_clear':
        return this.#timers.clear(operation);
      case 'timer_list':
        return this.#timers.list(operation);
      case 'timer_queues':
        return this.#timers.queues();
      case 'timer_get':
        return this.#timers.get(operation);
      case 'waits':
        return this.#timers.waits(operation);
      case 'timers_due':
        return this.#timers.due(operation);
      case 'timer_fire': {
        const { owner, event } = operation;
        if (!this.#timers.take(operation)) return null;
        return this.#insert(owner.tenant, event, now);
      }
      case 'schedules_begin':
        return this.#schedules.begin(operation);
      case 'schedule_tick':
        return this.#schedules.tick(operation, (message) => this.#insert(operation.tenant, message, now));
      case 'letters':
        return this.#records.letters(operation.query);
      case 'letter':
        return this.#records.letter(operation.letter);
      case 'letter_replay':
        return this.#records.replay(operation, now, ({ tenant, id, type, json, schedule }, redelivered) =>
          this.#pend(
            tenant,
            this.#statements.insertReplayed.run(
              ...[now, tenant, id, type, schedule ?? null, json, redelivered ? 1 : 0],
            ),
          ),
        );
      case 'letter_drop':
        return this.#records.drop(operation.letter);
      case 'runs':
        return this.#records.runs(operation.query);
      case 'run':
        return this.#records.run(operation.runId);
      case 'oldest':
        return operation.tenants.map((tenant) => this.#oldestOf(tenant));
    }
  }

  /** When a tenant's oldest event that is not settled was stored. */
  #oldestOf(tenant: TenantId): number | null {
    const { fresh, oldestRetry, storedAt } = this.#statements;
    const sequences = [fresh.get(tenant, 0), oldestRetry.get(tenant)].flatMap((row) =>
      row === undefined ? [] : [row.sequence as number],
    );
    if (sequences.length === 0) return null;
    return (storedAt.get(Math.min(...sequences))?.stored_at as number | undefined) ?? null;
  }

  #publish({ tenant, messages, journal }: OperationOf<'publish'>, now: number): number[] {
    const { recordEntry } = this.#statements;
    const sequences = messages.map((message) => this.#insert(tenant, message, now));
    for (const { runId, ordinal, entry } of journal) recordEntry.run(runId, ordinal, tenant, now, entry);
    return sequences;
  }

  /** @returns the event's position, or 0 for a duplicate */
  #insert(tenant: TenantId, { id, type, json, schedule }: EventMessage, now: number): number {
    const { insertEvent, supersede } = this.#statements;
    const values = [now, tenant, id, type, schedule ?? null, json] as const;
    let inserted = insertEvent.run(...values);
    // B4: taken within the window, the id is a duplicate; an older one makes room.
    if (inserted.changes === 0 && supersede.run(tenant, id, now - this.#dedupeWindowMs).changes === 1)
      inserted = insertEvent.run(...values);
    return inserted.changes === 1 ? this.#pend(tenant, inserted) : 0;
  }

  #pend(tenant: TenantId, { lastInsertRowid }: StatementResultingChanges): number {
    const sequence = Number(lastInsertRowid);
    this.#statements.insertPending.run(tenant, 0, sequence, 0);
    return sequence;
  }

  #ack({ event, runs, parking }: OperationOf<'ack'>, now: number): boolean | 'put_off' {
    if (!this.#unpend(event)) return false;
    if (parking !== null && !this.#timers.park(event.tenant, parking)) {
      const { tenant, sequence, attempt } = event;
      this.#statements.insertPending.run(tenant, parking.availableAt, sequence, attempt);
      return 'put_off';
    }
    // What a parked run did lies in its timer.
    for (const { runId } of parking?.runs ?? []) this.#statements.forgetJournal.run(runId);
    this.#storeRuns(event, runs, now);
    // The finished run carries its journal; the same id outside the window must start afresh.
    for (const { runId } of runs) this.#statements.forgetJournal.run(runId);
    return true;
  }

  #nak({ event, availableAt }: OperationOf<'nak'>): boolean {
    if (!this.#unpend(event)) return false;
    this.#statements.insertPending.run(event.tenant, availableAt, event.sequence, event.attempt);
    return true;
  }

  /** Entries of the event's runs stay in `journal`: a replay continues after them (B3, B5). */
  /** B5. @returns null if the event was settled before; else the position of the alert, 0 without one */
  #bury({ event, reason, runs, runsJson, alert }: OperationOf<'dead'>, now: number): number | null {
    if (!this.#unpend(event)) return null;
    const { tenant, sequence, attempt } = event;
    const { insertDeadLetter, insertDeadRun } = this.#statements;
    this.#storeRuns(event, runs, now);
    insertDeadLetter.run(now, attempt, reason, runsJson, sequence);
    for (const [place, { runId, flow, status, flowDigest }] of runs.entries())
      insertDeadRun.run(tenant, sequence, place, runId, flow, status, flowDigest);
    return alert === null ? 0 : this.#insert(tenant, alert, now);
  }

  #unpend({ tenant, sequence }: SettledEvent): boolean {
    const { deleteFresh, deleteRetry } = this.#statements;
    return deleteFresh.run(tenant, sequence).changes === 1 || deleteRetry.run(tenant, sequence).changes === 1;
  }

  #storeRuns(event: SettledEvent, runs: readonly RunRecord[], now: number): void {
    const { tenant, sequence, id, type } = event;
    for (const { runId, flow, status, resultJson, journalJson, durationMs, event: origin } of runs)
      this.#statements.insertRun.run(
        now,
        tenant,
        sequence,
        origin?.id ?? id,
        origin?.type ?? type,
        runId,
        flow,
        status,
        resultJson,
        journalJson,
        event.attempt,
        durationMs,
      );
  }

  #journalOf(runId: string): JournalEntry[] {
    return this.#statements.readJournal.all(runId).map((row) => ({
      runId,
      ordinal: row.ordinal as number,
      entry: row.entry as string,
    }));
  }
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
