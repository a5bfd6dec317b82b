import { GtpackError } from '../errors.ts';
import { checkJsonBounds } from '../event/json-bounds.ts';
import type { TenantId } from '../event/names.ts';
import type { HostLogLine } from '../running-host.ts';
import type { Effect, Job, JobResult, RunJournal, RunOutcome } from '../sandbox/protocol.ts';
import type { Redact, Redactors } from './redactor.ts';

/** Where jobs go; the sandbox. */
export interface Cells {
  submit(tenant: TenantId, job: Job): Promise<JobResult>;
}

/** The same cells, whose errors show no secret of their tenant. Events, outputs and answers are data: they stay. */
export function redactedCells(cells: Cells, redactors: Redactors): Cells {
  return {
    submit: async (tenant, job) => {
      const redact = redactors.of(tenant);
      try {
        return redactedResult(await cells.submit(tenant, job), redact);
      } catch (error) {
        throw redactedError(error, redact);
      }
    },
  };
}

/** The same log, whose lines show no secret of the tenant that they are about. */
export function redactedLog(
  log: (line: HostLogLine) => void,
  redactors: Redactors,
): (line: HostLogLine) => void {
  return (line) => {
    const redact = line.tenant === undefined ? redactors.all : redactors.of(line.tenant);
    log({ ...line, message: redact(line.message) });
  };
}

function redactedResult(result: JobResult, redact: Redact): JobResult {
  switch (result.kind) {
    case 'problem':
      return { ...result, problem: redactedMessage(result.problem, redact) };
    case 'error':
      return redactedMessage(result, redact);
    case 'runs':
      return { ...result, runs: result.runs.map((run) => redactedRun(run, redact)) };
    default:
      return result;
  }
}

/** Without its cause where a secret was in it, which may hold it as well. */
function redactedError(error: unknown, redact: Redact): unknown {
  if (!(error instanceof GtpackError) || redact(error.message) === error.message) return error;
  const { code, message, ...place } = error.problems[0];
  const cure = place.cure === undefined ? {} : { cure: redact(place.cure) };
  return new GtpackError(code, redact(message), { ...place, ...cure, retryable: error.retryable });
}

function redactedMessage<T extends { readonly message: string }>(thing: T, redact: Redact): T {
  const message = redact(thing.message);
  return message === thing.message ? thing : { ...thing, message };
}

function redactedRun(run: RunOutcome, redact: Redact): RunOutcome {
  const { error, journalJson, parked } = run;
  return {
    ...run,
    ...(parked === undefined ? {} : { parked: redactedJournal(parked, redact) }),
    journalJson: redactedErrors(journalJson, redact),
    ...(error === undefined ? {} : { error: redactedMessage(error, redact) }),
  };
}

/** The same effect, as far as it is stored with its run. */
export function redactedEffect(effect: Effect, redact: Redact): Effect {
  return effect.run === null ? effect : { ...effect, run: redactedJournal(effect.run, redact) };
}

export function redactedJournal<T extends Pick<RunJournal, 'journal'>>(run: T, redact: Redact): T {
  const journal = run.journal.map(({ ordinal, entry }) => ({
    ordinal,
    entry: redactedErrors(entry, redact),
  }));
  return { ...run, journal };
}

/** Where a message may stand in an entry: of the node's failure, and of the tries before it. */
const ERROR = '"error":{';
const TRIES = '"tries":[';
const BOUNDS = { maxBytes: 4 * 1024 ** 2, maxDepth: 600, maxElements: 1_000_000 };

interface FailedEntry {
  readonly error?: { message?: unknown };
  readonly tries?: readonly { message?: unknown }[];
}

/**
 * One entry of a journal, or a list of them, whose errors show no secret. The outputs stay, since a run goes on with
 * them; and so does what cannot be read within bounds.
 */
export function redactedErrors(json: string, redact: Redact): string {
  if ((!json.includes(ERROR) && !json.includes(TRIES)) || redact(json) === json) return json;
  try {
    checkJsonBounds(json, BOUNDS);
    const parsed: unknown = JSON.parse(json);
    const entries: readonly FailedEntry[] = Array.isArray(parsed) ? parsed : [parsed];
    for (const { error, tries = [] } of entries) {
      for (const failure of [error, ...tries]) {
        if (typeof failure?.message === 'string') failure.message = redact(failure.message);
      }
    }
    return JSON.stringify(parsed);
  } catch {
    return json;
  }
}
