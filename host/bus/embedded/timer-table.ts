import type { TenantId } from '../../event/names.ts';
import { awaitedOf, parkedRuns } from '../parked.ts';
import type { ListedTimer, Timer, TimerPage, WaitingTimers } from '../timers.ts';
import type { Statements } from './statements.ts';
import type { OperationOf, Results, StoredParking } from './wire.ts';

/** The timers of providers, inside the transaction of the batch. Runs in the store's thread. */
export class TimerTable {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  set({ owner: { tenant, source }, timer, maxTimers }: OperationOf<'timer_set'>): boolean {
    const { hasTimer, readUsage, writeTimer, changeUsage } = this.#statements;
    const { id, type, dueAt, everyMs, payload, metadata } = timer;
    if (hasTimer.get(tenant, source, id) === undefined) {
      const timers = (readUsage.get(tenant, source)?.timers as number | undefined) ?? 0;
      if (timers >= maxTimers) return false;
      changeUsage.run(tenant, source, 0, 0, 1);
    }
    writeTimer.run(tenant, source, id, type, dueAt, everyMs, payload, metadata);
    return true;
  }

  /** All or none. @returns whether there was room for them */
  park(tenant: TenantId, { runs, max }: StoredParking): boolean {
    const owner = parkedRuns(tenant);
    const { hasTimer, readUsage } = this.#statements;
    const isNew = ({ id }: Timer): boolean => hasTimer.get(tenant, owner.source, id) === undefined;
    const added = runs.filter(({ timer }) => isNew(timer)).length;
    const there = (readUsage.get(tenant, owner.source)?.timers as number | undefined) ?? 0;
    if (there + added > max) return false;
    for (const { timer } of runs)
      this.set({ kind: 'timer_set', owner, timer, maxTimers: Number.POSITIVE_INFINITY });
    return true;
  }

  clear({ owner: { tenant, source }, id }: OperationOf<'timer_clear'>): boolean {
    const { clearTimer, changeUsage } = this.#statements;
    if (clearTimer.run(tenant, source, id).changes === 0) return false;
    changeUsage.run(tenant, source, 0, 0, -1);
    return true;
  }

  /** In the order of the ids: the last of a page is where the next one begins. */
  list({ owner: { tenant, source }, after, limit }: OperationOf<'timer_list'>): TimerPage {
    const rows = this.#statements.timersOf.all(tenant, source, after ?? '', limit + 1);
    const timers = rows.slice(0, limit).map((row) => ({
      id: row.id as string,
      dueAt: row.due_at as number,
      everyMs: row.every_ms as number | null,
      type: row.type as ListedTimer['type'],
    }));
    return { timers, next: rows.length > limit ? (timers.at(-1)?.id ?? null) : null };
  }

  queues(): readonly WaitingTimers[] {
    return this.#statements.timerQueues.all().map((row) => ({
      tenant: row.tenant as WaitingTimers['tenant'],
      source: row.source as string,
      type: row.type as WaitingTimers['type'],
      count: row.total as number,
      nextDueAt: row.next_due as number,
    }));
  }

  get({ owner: { tenant, source }, id }: OperationOf<'timer_get'>): Results['timer_get'] {
    const row = this.#statements.readTimer.get(tenant, source, id);
    if (row === undefined) return null;
    return {
      revision: row.number as number,
      id,
      type: row.type as ListedTimer['type'],
      dueAt: row.due_at as number,
      everyMs: row.every_ms as number | null,
      payload: row.payload as string,
      metadata: row.metadata as string,
    };
  }

  /** Reads through all timers, page by page: for the start. */
  waits({ after, limit }: OperationOf<'waits'>): Results['waits'] {
    const timers: Results['waits']['timers'][number][] = [];
    const rows = this.#statements.timersFrom.all(after, limit);
    for (const row of rows) {
      const tenant = row.tenant as TenantId;
      const { id, source, metadata } = row as Record<'id' | 'source' | 'metadata', string>;
      if (awaitedOf({ tenant, source }, metadata) !== undefined) timers.push({ tenant, id, metadata });
    }
    const last = rows.at(-1)?.number as number | undefined;
    return { timers, next: rows.length < limit ? null : (last ?? null) };
  }

  due({ queue: { tenant, source, type }, at, limit }: OperationOf<'timers_due'>): Results['timers_due'] {
    const timers: Results['timers_due']['timers'][number][] = [];
    for (const row of this.#statements.firstTimers.iterate(tenant, source, type)) {
      const dueAt = row.due_at as number;
      if (dueAt > at || timers.length === limit) return { timers, nextDueAt: dueAt };
      timers.push({
        revision: row.number as number,
        id: row.id as string,
        type,
        dueAt,
        everyMs: row.every_ms as number | null,
        payload: row.payload as string,
        metadata: row.metadata as string,
      });
    }
    return { timers, nextDueAt: null };
  }

  /** Takes away or moves on the very timer that was read. @returns whether it was still there */
  take({ owner: { tenant, source }, timer, nextDueAt }: OperationOf<'timer_fire'>): boolean {
    const { endTimer, moveTimer, changeUsage } = this.#statements;
    if (nextDueAt !== null) return moveTimer.run(nextDueAt, timer.revision, timer.dueAt).changes === 1;
    if (endTimer.run(timer.revision, timer.dueAt).changes === 0) return false;
    changeUsage.run(tenant, source, 0, 0, -1);
    return true;
  }
}
