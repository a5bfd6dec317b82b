import { GtpackError } from '../errors.ts';

const STATUSES = ['ok', 'error', 'skipped', 'caught', 'retrying', 'started', 'waiting', 'ended'] as const;

/** A try that was not the last one. */
export interface FailedTry {
  readonly code: string;
  readonly message: string;
}

/** The outcome of one node, as it is recorded. */
export interface NodeOutcome {
  readonly node: string;
  /** The chain of nodes that it is of; absent for the run's own. */
  readonly frame?: string;
  /**
   * `caught`: it failed, and its `on_error` said how to go on. Two give way to what becomes of the node: `retrying`, it
   * failed and is tried again; and `started`, its effect may have happened; and `waiting`, its
   * time has not come. `ended`: the frame has failed, and the node
   * that it is a round of goes on.
   */
  readonly status: (typeof STATUSES)[number];
  /** The node that follows; null where the run ends. */
  readonly next: string | null;
  /** JSON text; absent where the node passes its input on. */
  readonly output?: string;
  readonly error?: NodeError;
  /** How many it had, failed tries included; absent where it had none. */
  readonly effects?: number;
  /** In order; absent where its first try was its last. */
  readonly tries?: readonly FailedTry[];
  /** Of `retrying` and `waiting`: nothing before; milliseconds since the Unix epoch. */
  readonly due?: number;
  /** Of an effect that may have happened: the delivery that it belongs to, by its event's position on the bus. */
  readonly at?: number;
  /** How often the run was put off for it. */
  readonly waits?: number;
  /** It has answered the waiting webhook. */
  readonly answers?: boolean;
  /** When its first try began, in milliseconds since the Unix epoch; absent in journals from before it was recorded. */
  readonly began?: number;
  /** Since then: its tries, and the pauses between them. */
  readonly ms: number;
  /** Of a run's first outcome alone: the id of its trace. */
  readonly trace?: string;
  /** What an operator should know of an outcome that went well, such as a key that was missing. */
  readonly notes?: readonly string[];
}

export interface NodeError {
  readonly code: string;
  readonly message: string;
  readonly node?: string | null;
  readonly retryable?: boolean;
}

/** An outcome and its place. */
export type RecordedOutcome = NodeOutcome & { readonly ordinal: number };

/** An entry as the bus stores it. */
export interface PlacedEntry {
  readonly ordinal: number;
  readonly entry: string;
}

/** One outcome and the text of its entry. */
export interface Written {
  readonly outcome: RecordedOutcome;
  readonly json: string;
}

/** The outcomes of a run (invariant F2), in the order of its steps. */
export class Journal {
  readonly #entries = new Map<number, Written>();
  /** Places by their frames. */
  readonly #frames = new Map<string, Set<number>>();
  readonly #recorded: readonly RecordedOutcome[];
  readonly #unrecorded = new Set<number>();
  /** Places that have no outcome yet: steps that wait for an effect, or for their rounds. */
  readonly #begun = new Set<number>();
  #next = 0;

  /**
   * @param entries what earlier deliveries recorded, in order
   * @throws GtpackError `journal_invalid`
   */
  constructor(entries: readonly string[]) {
    this.#recorded = entries.map((json) => {
      const read = readOutcome(json);
      const outcome = { ...read, ordinal: read.ordinal ?? this.#next };
      this.#put({ outcome, json });
      this.#next = Math.max(this.#next, outcome.ordinal + 1);
      return outcome;
    });
  }

  /** How many steps the run has begun, over all of its deliveries. */
  get steps(): number {
    return this.#entries.size + this.#begun.size;
  }

  /** What earlier deliveries recorded. */
  get recorded(): readonly RecordedOutcome[] {
    return this.#recorded;
  }

  /** The outcomes of one frame as they are now, in order. */
  inFrame(frame: string): RecordedOutcome[] {
    return [...(this.#frames.get(frame) ?? [])]
      .toSorted((a, b) => a - b)
      .flatMap((ordinal) => this.#entries.get(ordinal)?.outcome ?? []);
  }

  /** A place for an outcome. */
  place(): number {
    const ordinal = this.#next;
    this.#next += 1;
    this.#begun.add(ordinal);
    return ordinal;
  }

  write(ordinal: number, outcome: NodeOutcome): void {
    this.#put({ outcome: { ...outcome, ordinal }, json: outcomeJson(ordinal, outcome) });
    this.#begun.delete(ordinal);
    this.#unrecorded.add(ordinal);
  }

  /** Takes back what was written and not recorded; `before` is what was recorded there. */
  restore(ordinal: number, before: Written | undefined): void {
    this.#unrecorded.delete(ordinal);
    if (before !== undefined) {
      this.#entries.set(ordinal, before);
      return;
    }
    this.#entries.delete(ordinal);
    this.#begun.add(ordinal);
  }

  /** What has to be recorded with the next effect, in order. */
  unrecorded(): PlacedEntry[] {
    return [...this.#unrecorded]
      .toSorted((a, b) => a - b)
      .flatMap((ordinal) => {
        const entry = this.#entries.get(ordinal)?.json;
        return entry === undefined ? [] : [{ ordinal, entry }];
      });
  }

  /** These are recorded, and what was written in their places since is not. */
  markRecorded(entries: readonly PlacedEntry[]): void {
    for (const { ordinal, entry } of entries) {
      if (this.#entries.get(ordinal)?.json === entry) this.#unrecorded.delete(ordinal);
    }
  }

  /** All of it, in order. */
  all(): PlacedEntry[] {
    return [...this.#entries]
      .toSorted(([a], [b]) => a - b)
      .map(([ordinal, { json }]) => ({ ordinal, entry: json }));
  }

  /** How often the run was put off. */
  get waits(): number {
    return [...this.#entries.values()].reduce((sum, { outcome: { waits = 0 } }) => sum + waits, 0);
  }

  at(ordinal: number): Written | undefined {
    return this.#entries.get(ordinal);
  }

  toJson(): string {
    return `[${this.all()
      .map(({ entry }) => entry)
      .join(',')}]`;
  }

  #put(written: Written): void {
    const { ordinal, frame = '' } = written.outcome;
    this.#entries.set(ordinal, written);
    const places = this.#frames.get(frame);
    if (places === undefined) this.#frames.set(frame, new Set([ordinal]));
    else places.add(ordinal);
  }
}

/** The output is spliced in as the text it is. */
function outcomeJson(ordinal: number, { output, ...outcome }: NodeOutcome): string {
  const json = JSON.stringify({ n: ordinal, ...outcome });
  return output === undefined ? json : `${json.slice(0, -1)},"output":${output}}`;
}

interface EntryText extends Omit<NodeOutcome, 'output'> {
  readonly n: number;
  readonly output: unknown;
}

/** @throws GtpackError `journal_invalid` */
function readOutcome(entry: string): NodeOutcome & { readonly ordinal?: number } {
  let read: Partial<EntryText>;
  try {
    read = JSON.parse(entry) as typeof read;
  } catch (error) {
    throw new GtpackError('journal_invalid', 'An entry of the journal is no JSON.', { cause: error });
  }
  const { n, node, status, next, output, ms, ...rest } = read;
  if (typeof node !== 'string' || status === undefined || !STATUSES.includes(status)) {
    throw new GtpackError('journal_invalid', 'An entry of the journal names no node or no status.');
  }
  return {
    ...rest,
    node,
    status,
    next: next ?? null,
    ms: ms ?? 0,
    ...(output === undefined ? {} : { output: JSON.stringify(output) }),
    ...(typeof n === 'number' ? { ordinal: n } : {}),
  };
}
