import { type GuestProblem, LOG_LEVELS } from '../contract.ts';
import { ERROR_CODES, type Problem } from '../errors.ts';
import type {
  AwaitsEvent,
  CellHostMessage,
  CellLoss,
  CellReport,
  Effect,
  EffectRun,
  HttpAnswer,
  JobResult,
  LogPlace,
  NormalizedEvent,
  ParkedOutcome,
  RunError,
  RunJournal,
  RunOutcome,
  SourceUsage,
} from './protocol.ts';

/**
 * Whether what a cell host sends is of the protocol. Whoever broke out of V8 in there writes what they like: nothing behind
 * this may stumble over a field that is missing or of another kind. Texts are not looked into; whose cell and run a message
 * names is for others to check.
 */

type Check = (value: unknown) => boolean;
/** Every field of a type has its check. */
type Fields<T> = { readonly [Name in keyof Required<T>]: Check };

const text: Check = (value) => typeof value === 'string';
const flag: Check = (value) => typeof value === 'boolean';
const amount: Check = (value) => typeof value === 'number';
const whole: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const oneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
/** Without holes, and without fields of its own that would stand before those of an array, such as `map`. */
const list =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value) || Object.keys(value).length !== value.length) return false;
    for (let index = 0; index < value.length; index += 1) if (!check(value[index])) return false;
    return true;
  };

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shape<T>(fields: Fields<T>): Check {
  const checks = Object.entries<Check>(fields);
  return (value) => isRecord(value) && checks.every(([name, check]) => check(value[name]));
}

/** Of a union of objects that their `kind` tells apart. */
function kinds<T extends { readonly kind: string }>(
  shapes: {
    readonly [Kind in T['kind']]: Fields<Omit<Extract<T, { readonly kind: Kind }>, 'kind'>>;
  },
): Check {
  const checks = new Map(
    Object.entries<Fields<unknown>>(shapes).map(([kind, fields]) => [kind, shape<unknown>(fields)]),
  );
  return (value) => isRecord(value) && checks.get(value.kind as string)?.(value) === true;
}

const loss = shape<CellLoss>({
  reason: oneOf('overrun', 'memory', 'crash', 'open_failed', 'stopped'),
  detail: text,
  job: orNull(whole),
  source: orNull(text),
});
const problem = shape<Problem>({
  code: (value) => typeof value === 'string' && Object.hasOwn(ERROR_CODES, value),
  message: text,
  cure: optional(text),
  file: optional(text),
  line: optional(amount),
  column: optional(amount),
});
const guestProblem = shape<GuestProblem>({
  code: text,
  message: text,
  retryable: flag,
  retryAfterMs: optional(whole),
});
const answer = shape<HttpAnswer>({
  status: (value) => whole(value) && (value as number) >= 200 && (value as number) <= 599,
  headers: (value) => isRecord(value) && Object.values(value).every(text),
  body: text,
});
const events = list(shape<NormalizedEvent>({ id: text, type: text, json: text }));
const JOURNAL: Fields<RunJournal> = {
  runId: text,
  journal: list(shape<RunJournal['journal'][number]>({ ordinal: whole, entry: text })),
};
const awaits = shape<AwaitsEvent>({
  ordinal: whole,
  pattern: text,
  key: optional(shape<NonNullable<AwaitsEvent['key']>>({ path: list(text), value: text })),
});
const parked = shape<ParkedOutcome>({
  due: amount,
  waits: whole,
  journal: JOURNAL.journal,
  awaits: optional(awaits),
});
const runs = list(
  shape<RunOutcome>({
    runId: text,
    flow: text,
    status: oneOf('ok', 'error', 'waiting', 'passed'),
    waitMs: optional(amount),
    parked: optional(parked),
    waits: optional(whole),
    retryAfterMs: optional(whole),
    output: optional(text),
    error: optional(shape<RunError>({ code: text, message: text, node: orNull(text), retryable: flag })),
    journalJson: text,
    durationMs: amount,
  }),
);
const result = kinds<JobResult>({
  events: { events, answer: optional(answer) },
  output: { output: text },
  memory: { bytes: amount },
  runs: { runs },
  problem: { problem: guestProblem },
  error: { code: text, message: text },
});
const effect = shape<Effect>({
  capability: text,
  fn: text,
  args: list(text),
  source: text,
  run: orNull(shape<EffectRun>({ ...JOURNAL, flow: text, node: text })),
  events,
  key: optional(text),
  trace: optional(text),
});
const report = kinds<CellReport>({
  opened: { problems: list(problem) },
  open_failed: { detail: text },
  job_done: { id: whole, result },
  effect: { call: whole, effect },
  record: { call: whole, journal: shape<RunJournal>(JOURNAL) },
  give_up: { loss },
  respond: { eventId: text, answer },
  usage: { usage: list(shape<SourceUsage>({ source: text, cpuMs: amount, memoryBytes: amount })) },
  log: {
    source: text,
    level: oneOf(...LOG_LEVELS),
    message: text,
    place: optional(shape<LogPlace>({ run: optional(text), node: optional(text), trace: optional(text) })),
  },
});

export const isBatch = list(
  kinds<CellHostMessage>({
    heartbeat: {},
    running: { cells: list(shape({ cell: whole, job: whole, source: text })) },
    giving_up: { cell: whole },
    cell: { cell: whole, messages: list(report) },
    cell_lost: { cell: whole, loss },
  }),
) as (value: unknown) => value is CellHostMessage[];
