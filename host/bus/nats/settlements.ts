import type { EventType, TenantId } from '../../event/names.ts';
import { deadLetterSubject, resultSubject } from '../../event/subject.ts';
import type { EventMessage, JournalEntry, RunRecord } from '../bus.ts';
import type { ParkedRun } from '../parked.ts';
import type { DeadRun } from '../records.ts';
import type { Connection } from './connection.ts';
import { sealedHeaders } from './event-message.ts';
import type { HostKey } from './host-key.ts';
import type { Journals } from './journals.ts';
import type { Layout } from './layout.ts';
import { getMessage, store } from './stream-api.ts';

/** How an event ended: what is stored first, so that whoever is given the event again finishes the rest of it. */
export interface Settled {
  readonly kind: 'ack' | 'dead';
  readonly tenant: TenantId;
  readonly position: number;
  readonly id: string;
  readonly type: EventType;
  readonly attempts: number;
  /** Milliseconds since the Unix epoch. */
  readonly storedAt: number;
  readonly finishedAt: number;
  readonly runs: readonly RunRecord[];
  /** Runs that are to be parked, of an acknowledgement. */
  readonly parked?: readonly ParkedRun[];
  /** They were: they may have gone on and ended since. */
  readonly isParked?: true;
  /** Of a death. */
  readonly reason?: string;
  readonly alert?: EventMessage;
  /** The message was no event: a replay is checked like any other client's. */
  readonly unsound?: true;
  /** Its dead letter was replayed or dropped: it is not to be buried again. */
  readonly letterGone?: true;
}

/** A dead letter as hosts keep it. */
export interface Letter extends Omit<Settled, 'kind' | 'runs' | 'alert' | 'parked'> {
  readonly reason: string;
  readonly runs: readonly DeadRun[];
  readonly eventJson: string;
  readonly runsJson: string;
  readonly schedule?: string;
  /** The journals of its runs, which are kept no longer than events are. */
  readonly recorded: readonly JournalEntry[];
  /** What subscribers were told. */
  readonly toldAt: number;
  /** Begun by a host: its name, and when by its clock. */
  readonly replay?: { readonly by: string; readonly at: number; readonly fromStart: boolean };
}

/** What lies in a letter at most, in characters: servers take 1 MiB by default, and a character may be 3 bytes of it. */
const HEADROOM_BYTES = 16 * 1024;
const LEFT_OUT = '[{"left_out":"The journal is larger than a message of the NATS server may be."}]';

export interface SettlementParts {
  readonly connection: Connection;
  readonly layout: Layout;
  readonly key: HostKey;
  readonly journals: Journals;
  readonly publisher: string;
  /** Results and dead letter are durable. */
  readonly onEnded: (settled: Settled, event: EventMessage) => void;
  readonly publishAlert: (tenant: TenantId, alert: EventMessage) => Promise<void>;
  readonly park: (tenant: TenantId, run: ParkedRun) => Promise<void>;
}

/**
 * Ends events in steps that may be repeated: the settlement, of which there is one whoever comes first; then results,
 * dead letter and alert under ids that repeat; then the ends of the journals. The acknowledgement comes after all of it.
 */
export class Settlements {
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
  }

  /**
   * @returns the settlement that holds: another host's, where that one was first
   * @throws GtpackError `bus_unavailable`, `bus_disk_full`
   */
  async settle(settled: Settled, event: EventMessage): Promise<Settled> {
    const { connection, layout } = this.#parts;
    const subject = layout.settlement(settled.tenant, settled.position);
    const stored = await store(connection, subject, this.#text(settled), { after: 0 });
    if (stored.kind === 'stored') {
      await this.finish(settled, event);
      return settled;
    }
    const holding = (await this.find(settled.tenant, settled.position)) ?? settled;
    await this.resume(holding, event);
    return holding;
  }

  /** @throws GtpackError `bus_unavailable` */
  async find(tenant: TenantId, position: number): Promise<Settled | null> {
    const { connection, layout } = this.#parts;
    const query = { last_by_subj: layout.settlement(tenant, position) };
    const found = await getMessage(connection, layout.runs, query);
    return found === null ? null : (JSON.parse(found.text) as Settled);
  }

  /** The letter of a death is about to go. @throws GtpackError `bus_unavailable` */
  async letterGoes(tenant: TenantId, position: number): Promise<void> {
    const { connection, layout } = this.#parts;
    const settled = await this.find(tenant, position);
    if (settled === null) return;
    const text = this.#text({ ...settled, letterGone: true });
    await store(connection, layout.settlement(tenant, position), text);
  }

  /**
   * Goes on where the host that stored a settlement may have stopped. Its last step tells that all was done, however long
   * ago: the server itself knows the ids of results for minutes only.
   * @throws GtpackError `bus_unavailable`
   */
  async resume(settled: Settled, event: EventMessage): Promise<void> {
    const { journals, connection, layout, key } = this.#parts;
    const { kind, tenant, position, runs, id, parked = [] } = settled;
    const ends = await Promise.all(runs.map(({ runId }) => journals.lastEnd(runId)));
    // What is still to be parked may be already: it is parked again, and resumed once (B4).
    const isBegun = parked.length > 0 || (runs.length === 0 && settled.isParked === undefined);
    if (!isBegun && ends.every((end) => positionOf(end, tenant) >= position)) return;
    const query = { last_by_subj: layout.letter(tenant, key.idToken(tenant, id), position) };
    const isBuried = kind === 'dead' && (await getMessage(connection, layout.letters, query)) !== null;
    await this.finish(isBuried ? { ...settled, letterGone: true } : settled, event);
  }

  /** What comes after the settlement is stored; again, where it was begun before. @throws GtpackError `bus_unavailable` */
  async finish(settled: Settled, event: EventMessage): Promise<void> {
    const { journals, onEnded, publishAlert, park } = this.#parts;
    const { kind, tenant, position, runs, alert, parked = [] } = settled;
    await Promise.all(parked.map((run) => park(tenant, run)));
    await Promise.all(runs.map((run) => this.#publishResult(settled, run)));
    if (kind === 'dead' && settled.letterGone === undefined) await this.#bury(settled, event);
    onEnded(settled, event);
    if (alert !== undefined) await publishAlert(tenant, alert);
    const end = `${tenant} ${position}`;
    await Promise.all(runs.map(({ runId }) => journals.end(runId, end, kind === 'dead')));
    if (parked.length > 0) await this.#hasParked(settled);
  }

  async #hasParked(settled: Settled): Promise<void> {
    const { connection, layout } = this.#parts;
    const { parked: _parked, ...rest } = settled;
    const text = this.#text({ ...rest, isParked: true });
    await store(connection, layout.settlement(settled.tenant, settled.position), text);
  }

  async #publishResult(settled: Settled, { runId, resultJson, event }: RunRecord): Promise<void> {
    const { connection, layout, key } = this.#parts;
    const { tenant, position } = settled;
    const subject = resultSubject(layout.env, tenant, event?.type ?? settled.type);
    const messageId = key.messageId('result', tenant, String(position), runId);
    await store(connection, subject, resultJson, { messageId, headers: this.#sealed(subject, resultJson) });
  }

  async #bury(settled: Settled, event: EventMessage): Promise<void> {
    const { connection, layout, key, journals } = this.#parts;
    const { tenant, type, position, id, runs } = settled;
    const reason = settled.reason ?? '';
    const runsJson = runsText(runs);
    const told = letterText(event.json, reason, settled.attempts, runsJson);
    const subject = deadLetterSubject(layout.env, tenant, type);
    const messageId = key.messageId('letter', tenant, String(position));
    const body = this.#fits(told)
      ? told
      : letterText(event.json, reason, settled.attempts, runsText(shortened(runs)));
    const public_ = await store(connection, subject, body, {
      messageId,
      headers: this.#sealed(subject, body),
    });
    const recorded = (await Promise.all(runs.map(({ runId }) => journals.read(runId)))).flat();
    const { kind: _kind, alert: _alert, runs: _runs, ...head } = settled;
    const letter: Letter = {
      ...head,
      reason,
      runs: runs.map(({ runId, flow, status, flowDigest }) => ({ runId, flow, status, flowDigest })),
      eventJson: event.json,
      runsJson,
      ...(event.schedule === undefined ? {} : { schedule: event.schedule }),
      recorded,
      toldAt: public_.kind === 'stored' ? public_.sequence : 0,
    };
    const place = layout.letter(tenant, key.idToken(tenant, id), position);
    const whole = JSON.stringify(letter);
    const fitting = this.#fits(whole)
      ? whole
      : JSON.stringify({ ...letter, runsJson: runsText(shortened(runs)), recorded: [] } satisfies Letter);
    await store(connection, place, fitting, {
      after: 0,
      messageId: key.messageId('whole', tenant, String(position)),
    });
  }

  /** Whether a settlement is small enough to be stored. */
  fits(settled: Settled): boolean {
    return this.#fits(JSON.stringify({ ...settled, runs: shortened(settled.runs) }));
  }

  #text(settled: Settled): string {
    const whole = JSON.stringify(settled);
    if (this.#fits(whole)) return whole;
    const short = JSON.stringify({ ...settled, runs: shortened(settled.runs) });
    return this.#fits(short) ? short : JSON.stringify({ ...settled, runs: withoutOutputs(settled) });
  }

  #fits(text: string): boolean {
    const max = (this.#parts.connection.nats.info?.max_payload ?? 1024 * 1024) - HEADROOM_BYTES;
    // Most texts are far below, and need no counting.
    return text.length * 3 <= max || new TextEncoder().encode(text).length <= max;
  }

  #sealed(subject: string, body: string) {
    const { key, publisher } = this.#parts;
    return sealedHeaders(key, publisher, subject, body);
  }
}

/** @param end of a journal; a later event of the same id may have ended the run after this one */
function positionOf(end: string | null, tenant: TenantId): number {
  const [whose, position] = end?.split(' ') ?? [];
  return whose === tenant ? Number(position) : 0;
}

function shortened(runs: readonly RunRecord[]): RunRecord[] {
  return runs.map((run) => ({ ...run, journalJson: LEFT_OUT }));
}

/**
 * What many flows gave may be more than a message holds, while each result is told in one of its own. Only a host that
 * tells them in place of one that died tells them without.
 */
function withoutOutputs({ id, attempts, runs }: Settled): RunRecord[] {
  return shortened(runs).map((run) => {
    const { runId, flow, status, durationMs, event } = run;
    if (status === 'error') return run;
    const result = {
      event_id: event?.id ?? id,
      run_id: runId,
      flow,
      status,
      attempts,
      duration_ms: durationMs,
    };
    return { ...run, resultJson: JSON.stringify(result) };
  });
}

function letterText(eventJson: string, reason: string, attempts: number, runsJson: string): string {
  return `{"event":${eventJson},"reason":${JSON.stringify(reason)},"attempts":${attempts},"runs":${runsJson}}`;
}

function runsText(runs: readonly RunRecord[]): string {
  const texts = runs.map(
    ({ runId, flow, status, journalJson }) =>
      `{"run_id":${JSON.stringify(runId)},"flow":${JSON.stringify(flow)},"status":"${status}","journal":${journalJson}}`,
  );
  return `[${texts.join(',')}]`;
}
