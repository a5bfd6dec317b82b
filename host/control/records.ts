import * as z from 'zod';
import type {
  DeadLetter,
  DeadLetterHead,
  DeadRun,
  FinishedRun,
  FinishedRunHead,
  LetterQuery,
  LetterRef,
  Page,
  RunQuery,
} from '../bus/records.ts';
import { GtpackError } from '../errors.ts';
import { type EventType, parseTenantId, type TenantId } from '../event/names.ts';
import { closedObject } from '../yaml.ts';

/** What commands see and mend of what has passed: through a running host, or in the store of one that does not run. */
export interface OperatorRecords {
  /** @throws GtpackError `bus_unavailable` */
  letters(query: LetterQuery): Promise<Page<DeadLetterHead>>;
  letter(letter: LetterRef): Promise<DeadLetter | null>;
  /** Each of at most `MAX_LETTERS`, in order, as `DeadLetters.replay`. */
  replay(letters: readonly LetterRef[], options: { readonly fromStart: boolean }): Promise<LetterReplay[]>;
  /** Whether each of at most `MAX_LETTERS` was there. */
  drop(letters: readonly LetterRef[]): Promise<boolean[]>;
  runs(query: RunQuery): Promise<Page<FinishedRunHead>>;
  run(runId: string): Promise<FinishedRun | null>;
}

export const MAX_LETTERS = 100;

export interface LetterReplay {
  readonly outcome: 'replayed' | 'gone' | 'superseded';
  /** What is another flow by now than the one that the event died in; null where that can't be known. */
  readonly changed: readonly ChangedFlow[] | null;
}

export interface ChangedFlow {
  readonly flow: string;
  readonly how: 'changed' | 'removed';
}

const word = z.string().max(1000);
const count = z.int().min(0);
const letterRef = closedObject({ tenant: word, position: count });
const paging = { limit: z.int().min(1).max(1_000_000), after: word.optional() };

/** Operations on the wire, without their version. */
export const recordRequests = [
  {
    op: z.literal('dlq_list'),
    tenant: word.optional(),
    type: word.optional(),
    id: word.optional(),
    since: z.number().optional(),
    order: z.enum(['newest', 'oldest']),
    ...paging,
  },
  { op: z.literal('dlq_show'), letter: letterRef },
  { op: z.literal('dlq_replay'), letters: z.array(letterRef).max(MAX_LETTERS), from_start: z.boolean() },
  { op: z.literal('dlq_drop'), letters: z.array(letterRef).max(MAX_LETTERS) },
  {
    op: z.literal('runs_list'),
    tenant: word.optional(),
    flow: word.optional(),
    status: z.enum(['ok', 'error']).optional(),
    event: word.optional(),
    ...paging,
  },
  { op: z.literal('runs_show'), run: word },
] as const;

type WireRef = z.infer<typeof letterRef>;
type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

export type RecordRequest =
  | ({ readonly op: 'dlq_list'; readonly order: 'newest' | 'oldest'; readonly limit: number } & Optional<{
      tenant: string;
      type: string;
      id: string;
      since: number;
      after: string;
    }>)
  | { readonly op: 'dlq_show'; readonly letter: WireRef }
  | { readonly op: 'dlq_replay'; readonly letters: readonly WireRef[]; readonly from_start: boolean }
  | { readonly op: 'dlq_drop'; readonly letters: readonly WireRef[] }
  | ({ readonly op: 'runs_list'; readonly limit: number } & Optional<{
      tenant: string;
      flow: string;
      status: 'ok' | 'error';
      event: string;
      after: string;
    }>)
  | { readonly op: 'runs_show'; readonly run: string };

/** The host's end. @returns what to answer with, before it is made JSON */
export async function answerRecords(request: RecordRequest, records: OperatorRecords): Promise<unknown> {
  switch (request.op) {
    case 'dlq_list': {
      const { op: _, tenant, ...query } = request;
      return await records.letters({ ...given(query), ...tenantOf(tenant) });
    }
    case 'dlq_show':
      return await records.letter(refOf(request.letter));
    case 'dlq_replay':
      return await records.replay(request.letters.map(refOf), { fromStart: request.from_start });
    case 'dlq_drop':
      return await records.drop(request.letters.map(refOf));
    case 'runs_list': {
      const { op: _, tenant, event, ...query } = request;
      return await records.runs({ ...given(query), ...given({ eventId: event }), ...tenantOf(tenant) });
    }
    case 'runs_show':
      return await records.run(request.run);
  }
}

/** The command's end. */
export function remoteRecords(ask: (request: RecordRequest) => Promise<unknown>): OperatorRecords {
  return {
    letters: async (query) => read(lettersShape, await ask({ op: 'dlq_list', ...query })),
    letter: async (letter) =>
      read(letterShape.nullable(), await ask({ op: 'dlq_show', letter: wireRef(letter) })),
    replay: async (letters, { fromStart }) =>
      read(
        replaysShape,
        await ask({ op: 'dlq_replay', letters: letters.map(wireRef), from_start: fromStart }),
      ),
    drop: async (letters) =>
      read(z.array(z.boolean()), await ask({ op: 'dlq_drop', letters: letters.map(wireRef) })),
    runs: async ({ eventId, ...query }) =>
      read(runsShape, await ask({ op: 'runs_list', ...query, ...given({ event: eventId }) })),
    run: async (run) => read(runShape.nullable(), await ask({ op: 'runs_show', run })),
  };
}

/** Of what may be a whole letter. */
function wireRef({ tenant, position }: LetterRef): WireRef {
  return { tenant, position };
}

function refOf({ tenant, position }: WireRef): LetterRef {
  return { tenant: parseTenantId(tenant), position };
}

function tenantOf(tenant: string | undefined): { readonly tenant?: TenantId } {
  return tenant === undefined ? {} : { tenant: parseTenantId(tenant) };
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without the keys that are undefined. */
function given<T extends object>(value: T): Given<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Given<T>;
}

const tenantShape = z.string().transform((text) => parseTenantId(text));
// Checked when the event was accepted, and only shown from here on.
const typeShape = z.string().transform((text) => text as EventType);
const status = z.enum(['ok', 'error']);
const next = z.string().nullable();

const deadRunShape: z.ZodType<DeadRun> = z.object({
  runId: z.string(),
  flow: z.string(),
  status,
  flowDigest: z.string().nullable(),
});
const letterHead = {
  tenant: tenantShape,
  position: z.number(),
  id: z.string(),
  type: typeShape,
  reason: z.string(),
  attempts: z.number(),
  storedAt: z.number(),
  diedAt: z.number(),
  runs: z.array(deadRunShape),
};
const lettersShape = z.object({ items: z.array(z.object(letterHead)), next });
const letterShape = z.object({ ...letterHead, eventJson: z.string(), runsJson: z.string() });
const replaysShape = z.array(
  z.object({
    outcome: z.enum(['replayed', 'gone', 'superseded']),
    changed: z.array(z.object({ flow: z.string(), how: z.enum(['changed', 'removed']) })).nullable(),
  }),
);
const runHead = {
  tenant: tenantShape,
  runId: z.string(),
  flow: z.string(),
  status,
  eventId: z.string(),
  eventType: typeShape,
  attempts: z.number(),
  durationMs: z.number(),
  finishedAt: z.number(),
};
const runsShape = z.object({ items: z.array(z.object(runHead)), next });
const runShape = z.object({ ...runHead, resultJson: z.string(), journalJson: z.string() });

function read<T>(shape: z.ZodType<T>, answer: unknown): T {
  const parsed = shape.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new GtpackError(
    'control_message_invalid',
    'The host answered with something else than was asked for.',
  );
}
