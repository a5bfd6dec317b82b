import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { Job, JobResult, RunOrder, RunOutcome } from './protocol.ts';

export interface QuarantineOptions {
  /** Cells that a provider or flow may cost within the window before it is held. */
  readonly strikes: number;
  readonly windowMs: number;
  /** Of the first time; doubled each time, up to the longest, and forgotten after a quiet time as long as that. */
  readonly cooldownMs: number;
  readonly maxCooldownMs: number;
}

/** What is held, for the operator. */
export interface Quarantined {
  readonly tenant: TenantId;
  /** A provider's id or `flow:<name>`. */
  readonly source: string;
  readonly remainingMs: number;
  /** How often it was held, this time included. */
  readonly times: number;
  /** What it did last. */
  readonly detail: string;
}

interface Record {
  strikes: number[];
  times: number;
  detail: string;
  heldUntil: number;
}

/** Names come from cells; a tenant has fewer. */
const MAX_SOURCES = 256;
const NONE: ReadonlySet<string> = new Set();

/**
 * Providers and flows that cost their cell again and again. While one is held its cell opens without it: its calls are
 * refused, its runs put off, and the others of its tenant go on.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;
  readonly #now: () => number;
  readonly #tenants = new Map<TenantId, Map<string, Record>>();

  /** @param now milliseconds of a clock that only goes forward */
  constructor(options: QuarantineOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** It cost its cell. @returns what is held now, if this was once too often */
  strike(tenant: TenantId, source: string, detail: string): Quarantined | undefined {
    const { strikes, windowMs } = this.#options;
    const record = this.#record(tenant, source);
    const now = this.#now();
    record.strikes = [...record.strikes.filter((at) => now - at < windowMs), now];
    return record.strikes.length < strikes ? undefined : this.hold(tenant, source, detail);
  }

  /** Holds it at once: nobody can be served beside it. @returns undefined if it is held already */
  hold(tenant: TenantId, source: string, detail: string): Quarantined | undefined {
    const { cooldownMs, maxCooldownMs } = this.#options;
    const record = this.#record(tenant, source);
    const now = this.#now();
    if (now < record.heldUntil) return undefined;
    record.strikes = [];
    record.detail = detail;
    record.heldUntil = now + Math.min(maxCooldownMs, cooldownMs * 2 ** record.times);
    record.times += 1;
    return this.#shown(tenant, source, record);
  }

  /** What of a tenant is held now. Costs a look-up for a tenant without a record. */
  heldOf(tenant: TenantId): ReadonlySet<string> {
    const records = this.#tenants.get(tenant);
    if (records === undefined) return NONE;
    const now = this.#now();
    const held = new Set<string>();
    for (const [source, record] of records) {
      if (now < record.heldUntil) held.add(source);
      else if (this.#isForgotten(record, now)) records.delete(source);
    }
    if (records.size === 0) this.#tenants.delete(tenant);
    return held;
  }

  list(): Quarantined[] {
    const now = this.#now();
    return [...this.#tenants].flatMap(([tenant, records]) =>
      [...records]
        .filter(([, { heldUntil }]) => now < heldUntil)
        .map(([source, record]) => this.#shown(tenant, source, record)),
    );
  }

  /** Lets it go, and forgets that it was held. @returns whether it was */
  release(tenant: TenantId, source: string): boolean {
    const isHeld = this.heldOf(tenant).has(source);
    if (isHeld) this.#tenants.get(tenant)?.delete(source);
    return isHeld;
  }

  /** Why a call of what is held is refused. */
  refusal(tenant: TenantId, source: string): GtpackError {
    const record = this.#tenants.get(tenant)?.get(source);
    const remainingMs = Math.max(0, (record?.heldUntil ?? 0) - this.#now());
    return new GtpackError(
      'plugin_quarantined',
      `${named(source)} is quarantined for ${Math.ceil(remainingMs / 1000)} s more: it cost its cell too often.`,
      { retryAfterMs: remainingMs },
    );
  }

  #record(tenant: TenantId, source: string): Record {
    let records = this.#tenants.get(tenant);
    if (records === undefined) {
      records = new Map();
      this.#tenants.set(tenant, records);
    }
    const known = records.get(source);
    if (known !== undefined && !this.#isForgotten(known, this.#now())) return known;
    const [oldest] = records.keys();
    if (records.size >= MAX_SOURCES && oldest !== undefined) records.delete(oldest);
    const record: Record = { strikes: [], times: 0, detail: '', heldUntil: Number.NEGATIVE_INFINITY };
    records.set(source, record);
    return record;
  }

  #isForgotten({ heldUntil, strikes }: Record, now: number): boolean {
    const last = Math.max(heldUntil, strikes.at(-1) ?? Number.NEGATIVE_INFINITY);
    return now - last >= this.#options.maxCooldownMs;
  }

  #shown(tenant: TenantId, source: string, { heldUntil, times, detail }: Record): Quarantined {
    return { tenant, source, remainingMs: heldUntil - this.#now(), times, detail };
  }
}

/** What the operator reads when something is held. */
export function quarantineNotice({ tenant, source, remainingMs, detail }: Quarantined): string {
  const seconds = Math.ceil(remainingMs / 1000);
  return `${named(source)} is quarantined for ${seconds} s: it cost its cell too often. ${detail} Its calls are refused and its runs put off meanwhile; mend or disable it, or let it go with: gtpack quarantine release ${tenant} ${source}`;
}

/** `The provider x`, `The flow x`. */
function named(source: string): string {
  return source.startsWith('flow:') ? `The flow ${source.slice('flow:'.length)}` : `The provider ${source}`;
}

/** Of a run's orders, those whose flows are not held, and those that have to wait. */
export function divide(
  runs: readonly RunOrder[],
  held: ReadonlySet<string>,
): { readonly free: readonly RunOrder[]; readonly putOff: readonly RunOrder[] } {
  const isHeld = ({ flow }: RunOrder): boolean => held.has(`flow:${flow}`);
  return { free: runs.filter((order) => !isHeld(order)), putOff: runs.filter(isHeld) };
}

/** The outcome of a run that did not begin, its journal as it was. */
export function putOffOutcome(
  { runId, flow, journal }: RunOrder,
  { problems, code, retryable }: GtpackError,
): RunOutcome {
  const [{ message }] = problems;
  return {
    runId,
    flow,
    status: 'error',
    error: { code, message, node: null, retryable },
    journalJson: `[${journal.join(',')}]`,
    durationMs: 0,
  };
}

export type RunJob = Extract<Job, { kind: 'run' }>;

/** The result of an event's free runs, with the outcomes of those that were put off. */
export function withPutOff(result: JobResult, putOff: readonly RunOutcome[]): JobResult {
  return result.kind === 'runs' ? { kind: 'runs', runs: [...result.runs, ...putOff] } : result;
}
