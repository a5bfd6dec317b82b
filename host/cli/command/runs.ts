import { auditFileOf } from '../../bundle/audit-shape.ts';
import type { FinishedRunHead, RunQuery } from '../../bus/records.ts';
import { GtpackError } from '../../errors.ts';
import { parseTenantId, quoted } from '../../event/names.ts';
import { readAudit } from '../../observe/audit-reader.ts';
import type { AuditLine } from '../../observe/audit-record.ts';
import { auditFilter, limitOf } from '../audit-filter.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { note, plain, print, printJson } from '../output.ts';
import { openRecords } from '../records.ts';
import { type RecordedEntry, type TimelineStep, timelineOf } from '../run-timeline.ts';
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
/** Of one run; more than it may have, its retries included. */
const MAX_EFFECTS = 10_000;

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

/** Shows one run as a timeline of its nodes and their effects, with its result. @throws GtpackError `run_unknown`, and as `openRecords` */
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
    const journal = JSON.parse(run.journalJson) as readonly RecordedEntry[];
    const effects = await effectsOf(await chooseBundle(world, bundle), runId);
    const { steps, ...trace } = timelineOf(run, journal, effects);
    if (json) {
      await printJson(world, {
        ...headJson(run),
        ...trace,
        result: JSON.parse(run.resultJson),
        timeline: steps,
        journal,
      });
      return 0;
    }
    const { tenant, flow, status, eventId, eventType, attempts, durationMs, finishedAt } = run;
    await print(
      world,
      plain(`${run.runId} of ${tenant}: flow ${flow}, ${status}`),
      plain(
        `event ${eventId}, ${eventType}; attempt ${attempts}, ${durationMs} ms, ended ${timeText(finishedAt)}`,
      ),
      ...(trace.trace_id === null ? [] : [plain(`trace ${trace.trace_id}, span ${trace.span_id}`)]),
      ...steps.flatMap(stepLines),
      `result ${cut(plain(run.resultJson), MAX_LINE)}`,
    );
    return 0;
  } finally {
    await close();
  }
}

/** Effects of a run that the audit log of this machine has; none where there is no such log. */
async function effectsOf(bundle: string, runId: string): Promise<AuditLine[]> {
  const filter = auditFilter({}, 0);
  const found: AuditLine[] = [];
  try {
    for await (const line of readAudit({ file: await auditFileOf(bundle) })) {
      // Most lines are of other runs: they are not parsed.
      if (!line.includes(runId)) continue;
      const entry = filter.read(line);
      if (typeof entry === 'object' && entry.kind === 'effect' && entry.line.run === runId)
        found.push(entry.line);
      if (found.length === MAX_EFFECTS) break;
    }
  } catch (error) {
    if (!(error instanceof GtpackError && error.code === 'audit_unreadable')) throw error;
  }
  return found;
}

function stepLines(step: TimelineStep): string[] {
  const { node, frame, offset_ms, duration_ms, attempts, status, error, tries = [], notes = [] } = step;
  const at = offset_ms === null ? '' : `+${offset_ms} ms`;
  const where = frame === undefined ? '' : `, in ${frame}`;
  const times = attempts === 1 ? '' : `, ${attempts} attempts`;
  const told = (what: string, value: unknown): string[] =>
    value === undefined ? [] : [`${what} ${JSON.stringify(value)}`];
  return [
    `  ${at.padStart(10)}  ${node}: ${status} in ${duration_ms} ms${times}${where}`,
    ...[
      ...told('in ', step.input),
      ...step.effects.map(
        ({ capability, fn, target, decision, code, duration_ms: ms }) =>
          `did ${capability}.${fn} ${target}: ${decision}${code === null ? '' : ` (${code})`} in ${ms} ms`,
      ),
      ...tries.map(({ code, message }) => `try ${code}: ${message}`),
      ...notes.map((said) => `note ${said}`),
      ...told('out', step.output),
      ...(error === undefined ? [] : [`error ${error.code}: ${error.message}`]),
    ].map((line) => `              ${line}`),
  ].map((line) => cut(plain(line), MAX_LINE));
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
