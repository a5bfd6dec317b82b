import type { TenantId } from '../../event/names.ts';
import type { FinishedRun, FinishedRunHead, FinishedRuns, Page, RunQuery } from '../records.ts';
import type { Connection } from './connection.ts';
import type { Journals } from './journals.ts';
import type { Layout } from './layout.ts';
import type { Settled, Settlements } from './settlements.ts';
import { readPage } from './stream-pages.ts';

/** Finished runs, read from the settlements of their events. */
export class NatsRuns implements FinishedRuns {
  readonly #connection: Connection;
  readonly #layout: Layout;
  readonly #settlements: Settlements;
  readonly #journals: Journals;

  constructor(connection: Connection, layout: Layout, settlements: Settlements, journals: Journals) {
    this.#connection = connection;
    this.#layout = layout;
    this.#settlements = settlements;
    this.#journals = journals;
  }

  list({ tenant, flow, status, eventId, limit, after }: RunQuery): Promise<Page<FinishedRunHead>> {
    return readPage(this.#connection, {
      stream: this.#layout.runs,
      subject: this.#layout.settlement(tenant ?? '*', '*'),
      order: 'newest',
      limit,
      after,
      itemsOf: (message) => {
        const settled = JSON.parse(message.text) as Settled;
        return settled.runs
          .filter((run) => eventId === undefined || (run.event?.id ?? settled.id) === eventId)
          .filter((run) => flow === undefined || run.flow === flow)
          .filter((run) => status === undefined || run.status === status)
          .map((run) => headOf(settled, run));
      },
    });
  }

  async get(runId: string): Promise<FinishedRun | null> {
    const end = await this.#journals.lastEnd(runId);
    const [tenant, position] = end?.split(' ') ?? [];
    if (tenant === undefined) return null;
    const settled = await this.#settlements.find(tenant as TenantId, Number(position));
    const run = settled?.runs.find((one) => one.runId === runId);
    if (settled === null || run === undefined) return null;
    return { ...headOf(settled, run), resultJson: run.resultJson, journalJson: run.journalJson };
  }
}

function headOf(
  settled: Settled,
  { runId, flow, status, durationMs, event }: Settled['runs'][number],
): FinishedRunHead {
  const { tenant, attempts, finishedAt } = settled;
  const { id: eventId, type: eventType } = event ?? settled;
  return { tenant, runId, flow, status, eventId, eventType, attempts, durationMs, finishedAt };
}
