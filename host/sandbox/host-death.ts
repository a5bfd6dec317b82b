import type { HostDeath } from './cell-hosts.ts';
import type { LiveCell } from './live-cell.ts';
import { OPENING_JOB } from './watch.ts';

/**
 * Who ended a cell host. The process is dead and its shared memory with it, so this is judged from outside:
 *
 * - Where the supervisor gave the process up for one cell, it said so: that cell is guilty.
 * - Else only those can be guilty that had something to run: cells that were opening, or had a job without an answer. One
 *   such cell is guilty.
 * - Of several none is charged. Each opens next in a cell host apart (probation.ts), where its next death is its own.
 *
 * What the supervisor saw running is good for one thing: to tell the guilty cell's providers and flows apart. Whoever is
 * quick enough to be missed by a look every 25 ms is a suspect all the same.
 */
export type Judgement =
  | { readonly kind: 'innocent' }
  | { readonly kind: 'suspects'; readonly cells: readonly LiveCell[] }
  | {
      readonly kind: 'guilty';
      readonly cell: LiveCell;
      readonly job: number | null;
      readonly source: string | null;
    };

export function judge(death: HostDeath): Judgement {
  if (death.culprit !== undefined) return guilty(death.culprit, death);
  const suspects = death.cells.filter((cell) => cell.unanswered > 0 || !cell.isOpen);
  const [only, ...others] = suspects;
  if (only === undefined) return { kind: 'innocent' };
  return others.length === 0 ? guilty(only, death) : { kind: 'suspects', cells: suspects };
}

function guilty(cell: LiveCell, { running }: HostDeath): Judgement {
  const sent = cell.sentJobs();
  const seen = running.get(cell.id);
  // A look is stale when the job that it saw has been answered since.
  if (seen !== undefined && (cell.isOpen ? sent.includes(seen.job) : seen.job === OPENING_JOB)) {
    return { kind: 'guilty', cell, ...seen };
  }
  const [job, ...others] = sent;
  if (job === undefined || others.length > 0) return { kind: 'guilty', cell, job: null, source: null };
  return { kind: 'guilty', cell, job, source: cell.providerOf(job) };
}
