import type { FinishedRunHead, RunQuery } from '../../bus/records.ts';
import { GtpackError } from '../../errors.ts';
import { parseTenantId, quoted } from '../../event/names.ts';
import { limitOf } from '../audit-filter.ts';
import { note, plain, print, printJson } from '../output.ts';
import { openRecords } from '../records.ts';
import { cut, table, timeText } from '../table.ts';
import type { CliWorld } from '../world.ts';

export interface RunsOptions {
  readonly bundle?: string;
  readonly tenant?: string;
  readonly flow?: string;
  readonly status?: string;
  readonly event?: string;
  readonly limit?: string;
  readonly json: boolean;
}

const DEFAULT_LIMIT = '50';
const MAX_LINE = 1000;

/** Shows the runs that ended last. @throws GtpackError `option_invalid`, `tenant_invalid`, and as `openRecords` */
export async function runsList(world: CliWorld, options: RunsOptions): Promise<number> {
  const query = queryOf(options);
  const limit = limitOf(options.limit ?? DEFAULT_LIMIT);
  const { records, close } = await openRecords(world, options.bundle);
  try {
    const runs: FinishedRunHead[] = [];
    let next: string | null = '';
    while (next !== null && runs.length < limit && !world.stop.aborted) {
      const after: { readonly after?: string } = next === '' ? {} : { after: next };
      const page = await records.runs({ ...query, ...after, limit: limit - runs.length });
      runs.push(...page.items);
      next = page.next;
    }
    if (options.json) {
      await printJson(world, { runs: runs.map(headJson), more: next !== null });
      return 0;
    }
    if (runs.length === 0) await print(world, 'There are no such runs.');
    else
      await print(
        world,
        ...table(
          ['run', 'tenant', 'flow', 'status', 'event', 'time', 'attempts', 'ms'],
          runs.map(({ runId, tenant, flow, status, eventId, finishedAt, attempts, durationMs }) => [
            runId,
            tenant,
            flow,
            status,
            eventId,
            timeText(finishedAt),
            String(attempts),
            String(durationMs),
          ]),
        ),
      );
    if (next !== null) await note(world, `There may be more; --limit COUNT shows more than ${limit}.`);
    return 0;
  } finally {
    await close();
  }
}

/** Shows one run with its result and its journal. @throws GtpackError `run_unknown`, and as `openRecords` */
export async function runsShow(
  world: CliWorld,
  runId: string,
  { bundle, json }: { readonly bundle?: string; readonly json: boolean },
): Promise<number> {
  const { records, close } = await openRecords(world, bundle);
  try {
    const run = await records.run(runId);
    if (run === null)
      throw new GtpackError('run_unknown', `No finished run ${quoted(runId)} is known.`, {
        cure: 'See `gtpack runs list`; runs are forgotten once the dedupe window is over.',
      });
    const journal = JSON.parse(run.journalJson) as readonly unknown[];
    if (json) {
      await printJson(world, { ...headJson(run), result: JSON.parse(run.resultJson), journal });
      return 0;
    }
    const { tenant, flow, status, eventId, eventType, attempts, durationMs, finishedAt } = run;
    await print(
      world,
      plain(`${run.runId} of ${tenant}: flow ${flow}, ${status}`),
      plain(
        `event ${eventId}, ${eventType}; attempt ${attempts}, ${durationMs} ms, ended ${timeText(finishedAt)}`,
      ),
      `result ${cut(plain(run.resultJson), MAX_LINE)}`,
      ...journal.map((entry) => `  ${cut(plain(JSON.stringify(entry)), MAX_LINE)}`),
    );
    return 0;
  } finally {
    await close();
  }
}

function queryOf({ tenant, flow, status, event }: RunsOptions): Omit<RunQuery, 'limit' | 'after'> {
  if (status !== undefined && status !== 'ok' && status !== 'error')
    throw new GtpackError(
      'option_invalid',
      `--status takes one of ok, error; ${JSON.stringify(status)} came.`,
    );
  return {
    ...(tenant === undefined ? {} : { tenant: parseTenantId(tenant) }),
    ...(flow === undefined ? {} : { flow }),
    ...(status === undefined ? {} : { status }),
    ...(event === undefined ? {} : { eventId: event }),
  };
}

function headJson(run: FinishedRunHead): Record<string, unknown> {
  return {
    run_id: run.runId,
    tenant: run.tenant,
    flow: run.flow,
    status: run.status,
    event_id: run.eventId,
    event_type: run.eventType,
    attempts: run.attempts,
    duration_ms: run.durationMs,
    finished_at: timeText(run.finishedAt),
  };
}
