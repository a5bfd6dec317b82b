import { GtpackError } from '../errors.ts';

/** The outcome of one node, as it is recorded. */
export interface NodeOutcome {
  readonly node: string;
  readonly status: 'ok' | 'error' | 'skipped';
  /** The node that follows; null where the run ends. */
  readonly next: string | null;
  /** JSON text; absent where the node passes its input on. */
  readonly output?: string;
  readonly error?: { readonly code: string; readonly message: string };
  /** How many it had; absent where it had none. */
  readonly effects?: number;
  readonly ms: number;
  /** What an operator should know of an outcome that went well, such as a key that was missing. */
  readonly notes?: readonly string[];
}

/** The outcomes of a run in order (invariant F2). The place of one is its ordinal. */
export class Journal {
  readonly #entries: string[];
  #recorded: number;

  /** @param entries what earlier deliveries recorded */
  constructor(entries: readonly string[]) {
    this.#entries = [...entries];
    this.#recorded = entries.length;
  }

  get length(): number {
    return this.#entries.length;
  }

  add(outcome: NodeOutcome): void {
    this.#entries.push(outcomeJson(outcome));
  }

  /** Takes back what was added from `ordinal` on; none of it was recorded. */
  takeBackTo(ordinal: number): void {
    this.#entries.length = Math.min(this.#entries.length, ordinal);
  }

  /** What is not recorded yet. */
  unrecorded(): { readonly ordinal: number; readonly entry: string }[] {
    return this.#entries.slice(this.#recorded).map((entry, at) => ({ ordinal: this.#recorded + at, entry }));
  }

  /** All there is now is stored. */
  markRecorded(): void {
    this.#recorded = this.#entries.length;
  }

  toJson(): string {
    return `[${this.#entries.join(',')}]`;
  }
}

/** The output is spliced in as the text it is. */
function outcomeJson({ output, ...outcome }: NodeOutcome): string {
  const json = JSON.stringify(outcome);
  return output === undefined ? json : `${json.slice(0, -1)},"output":${output}}`;
}

/** @throws GtpackError `journal_invalid` */
export function readOutcome(entry: string): NodeOutcome {
  let read: Partial<Omit<NodeOutcome, 'output'>> & { readonly output?: unknown };
  try {
    read = JSON.parse(entry) as typeof read;
  } catch (error) {
    throw new GtpackError('journal_invalid', 'An entry of the journal is no JSON.', { cause: error });
  }
  const { node, status, next, output, effects, ms, notes } = read;
  if (typeof node !== 'string' || (status !== 'ok' && status !== 'skipped' && status !== 'error')) {
    throw new GtpackError('journal_invalid', 'An entry of the journal names no node or no status.');
  }
  return {
    node,
    status,
    next: next ?? null,
    ms: ms ?? 0,
    ...(output === undefined ? {} : { output: JSON.stringify(output) }),
    ...(typeof effects === 'number' ? { effects } : {}),
    ...(notes === undefined ? {} : { notes }),
  };
}
