import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { TenantId } from '../../event/names.ts';
import type { EventMessage } from '../bus.ts';
import type { SchedulePosition } from '../schedules.ts';
import type { OperationOf, Results } from './wire.ts';

/** Past this a clock was wrong. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** The schedules of hosts, inside the transaction of the batch. Runs in the store's thread. */
export class ScheduleTable {
  readonly #read: StatementSync;
  readonly #begin: StatementSync;
  readonly #move: StatementSync;
  readonly #isPending: StatementSync;
  readonly #names: StatementSync;
  readonly #drop: StatementSync;

  constructor(database: DatabaseSync) {
    const sql = (text: string): StatementSync => database.prepare(text);
    this.#read = sql('SELECT plan, at, last_run, sequence FROM schedules WHERE tenant = ? AND schedule = ?');
    this.#begin = sql(
      `INSERT OR REPLACE INTO schedules (tenant, schedule, plan, at, last_run, sequence)
       VALUES (?, ?, ?, ?, NULL, NULL)`,
    );
    this.#move = sql(
      'UPDATE schedules SET at = ?, last_run = ?, sequence = ? WHERE tenant = ? AND schedule = ?',
    );
    this.#isPending = sql(
      `SELECT 1 FROM pending WHERE tenant = ?1 AND available_at = 0 AND sequence = ?2
       UNION ALL SELECT 1 FROM pending WHERE tenant = ?1 AND available_at > 0 AND sequence = ?2`,
    );
    this.#names = sql('SELECT tenant, schedule FROM schedules');
    this.#drop = sql('DELETE FROM schedules WHERE tenant = ? AND schedule = ?');
  }

  /** Schedules that are not named any more are forgotten: where one comes back, it has missed nothing. */
  begin({ schedules, at: now }: OperationOf<'schedules_begin'>): readonly SchedulePosition[] {
    const left = new Set(schedules.map(({ tenant, schedule }) => `${tenant}\n${schedule}`));
    for (const { tenant, schedule } of this.#names.all())
      if (!left.has(`${tenant as string}\n${schedule as string}`))
        this.#drop.run(tenant as string, schedule as string);
    return schedules.map(({ tenant, schedule, plan }) => {
      const row = this.#read.get(tenant, schedule);
      if (row?.plan === plan && (row.at as number) <= now + DAY_MS) return positionOf(row);
      this.#begin.run(tenant, schedule, plan, now);
      return { at: now, lastRun: null };
    });
  }

  /** @param insert stores an event, and gives its position or 0 for a duplicate */
  tick(
    { tenant, schedule, at, messages }: OperationOf<'schedule_tick'>,
    insert: (message: EventMessage) => number,
  ): Results['schedule_tick'] {
    const row = this.#read.get(tenant, schedule);
    if (row === undefined) throw new Error(`the schedule ${schedule} was not begun`);
    if ((row.at as number) >= at) return { kind: 'past', position: positionOf(row) };
    if (messages.length === 0) {
      this.#move.run(at, row.last_run as number | null, row.sequence as number | null, tenant, schedule);
      return { kind: 'ticked', sequences: [] };
    }
    if (row.sequence !== null && this.#isOpen(tenant, row.sequence as number)) return { kind: 'busy' };
    const sequences = messages.map(insert);
    const [sequence = 0] = sequences;
    this.#move.run(at, at, sequence === 0 ? null : sequence, tenant, schedule);
    return { kind: 'ticked', sequences };
  }

  #isOpen(tenant: TenantId, sequence: number): boolean {
    return this.#isPending.get(tenant, sequence) !== undefined;
  }
}

function positionOf(row: Readonly<Record<string, unknown>>): SchedulePosition {
  return { at: row.at as number, lastRun: row.last_run as number | null };
}
