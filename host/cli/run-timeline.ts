import { spanId } from '../event/trace.ts';
import type { NodeOutcome } from '../flow/journal.ts';
import { stepKey } from '../flow/step-key.ts';
import type { AuditLine } from '../observe/audit-record.ts';

/** An entry of a run's journal, as `runs show` gets it: the output is JSON by now. */
export type RecordedEntry = Omit<NodeOutcome, 'output'> & { readonly n?: number; readonly output?: unknown };

/** One node of a run. Its span and its input follow from what was recorded. */
export interface TimelineStep {
  readonly node: string;
  readonly frame?: string;
  readonly span_id: string;
  readonly parent_span_id: string;
  /** Since the run began; null in journals from before it was recorded. */
  readonly offset_ms: number | null;
  readonly duration_ms: number;
  readonly attempts: number;
  readonly status: NodeOutcome['status'];
  /** The output of the node before it in its chain; absent for the first. */
  readonly input?: unknown;
  readonly output?: unknown;
  readonly error?: NodeOutcome['error'];
  readonly tries?: NodeOutcome['tries'];
  readonly notes?: NodeOutcome['notes'];
  readonly effects: readonly TimelineEffect[];
}

export type TimelineEffect = Pick<
  AuditLine,
  'capability' | 'fn' | 'target' | 'decision' | 'code' | 'duration_ms'
> & { readonly span_id: string | null };

export interface Timeline {
  readonly trace_id: string | null;
  readonly span_id: string;
  /** Of the event that the run is of. */
  readonly parent_span_id: string;
  readonly steps: readonly TimelineStep[];
}

/** Statuses of nodes that were not done: the next one of their chain has the same place. */
const UNFINISHED: ReadonlySet<string> = new Set(['retrying', 'started', 'waiting', 'error']);

/** @param audited effects of the run, as the audit log has them */
export function timelineOf(
  { runId, eventId }: { readonly runId: string; readonly eventId: string },
  journal: readonly RecordedEntry[],
  audited: readonly AuditLine[],
): Timeline {
  const { began, trace } = journal[0] ?? {};
  const root = spanId('run', runId);
  const chains = new Map<string, { done: number; last: unknown }>();
  /** Spans by the places of their steps, as the chains that they opened are named. */
  const opened = new Map<string, string>();
  const unclaimed = new Set(audited);
  const steps = journal.flatMap((entry): TimelineStep[] => {
    // It ends a round, and is no node's.
    if (entry.status === 'ended') return [];
    const { node, frame = '', status, ms, output, error, tries = [], notes } = entry;
    const chain = chains.get(frame) ?? { done: 0, last: undefined };
    chains.set(frame, chain);
    const key = stepKey(runId, frame, node, chain.done);
    const span = spanId('node', key);
    opened.set(`${frame}/${chain.done}`, span);
    const input = chain.last;
    if (!UNFINISHED.has(status)) chain.done += 1;
    if (output !== undefined) chain.last = output;
    const effects = [...unclaimed].filter((line) => line.node === node && isOf(line, key));
    for (const line of effects) unclaimed.delete(line);
    return [
      {
        node,
        ...(frame === '' ? {} : { frame }),
        span_id: span,
        parent_span_id: opened.get(placeOf(frame)) ?? root,
        offset_ms: began === undefined || entry.began === undefined ? null : entry.began - began,
        duration_ms: ms,
        attempts: tries.length + (status === 'retrying' ? 0 : 1),
        status,
        ...(input === undefined ? {} : { input }),
        ...(output === undefined ? {} : { output }),
        ...(error === undefined ? {} : { error }),
        ...(tries.length === 0 ? {} : { tries }),
        ...(notes === undefined ? {} : { notes }),
        effects: effects.map(effectOf),
      },
    ];
  });
  return {
    trace_id: trace ?? null,
    span_id: root,
    parent_span_id: spanId('event', eventId),
    steps,
  };
}

/** The step that a chain was opened by: a round's name follows its place. */
function placeOf(frame: string): string {
  return frame.slice(0, frame.indexOf('.', frame.lastIndexOf('/')));
}

/** How many effects a call of a provider has at most, of each capability; as many spans are looked for. */
const MAX_EFFECTS = 64;

/** Whether an effect is of a step: its span is made of the step's key. */
function isOf({ span, capability }: AuditLine, key: string): boolean {
  if (span === spanId('effect', key)) return true;
  for (let count = 1; count <= MAX_EFFECTS; count += 1) {
    if (span === spanId('effect', `${key}.${capability}.${count}`)) return true;
  }
  return false;
}

function effectOf({ capability, fn, target, decision, code, duration_ms, span }: AuditLine): TimelineEffect {
  return { capability, fn, target, decision, code, duration_ms, span_id: span ?? null };
}
