import { Registry } from 'prom-client';
import type { TapListener } from '../bus/bus.ts';
import type { EffectRecord } from '../capability/broker.ts';
import type { CellLoss, RunJournal, SourceUsage } from '../sandbox/protocol.ts';
import { BoundCounter, BoundGauge, BoundHistogram } from './series.ts';

/** What is looked up when somebody asks. */
export interface Readings {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly tenants: Iterable<
    readonly [
      string,
      { readonly pending: number; readonly deadLetters: number; readonly oldestAt?: number | undefined },
    ]
  >;
  readonly cells: number;
  readonly cellHosts: number;
  readonly quarantined: number;
  /** What the guests of live cells hold, as they last said. */
  readonly memory: Iterable<{
    readonly tenant: string;
    readonly source: string;
    readonly memoryBytes: number;
  }>;
}

/** An entry with more in it is not that of a try. */
const MAX_TRY_CHARACTERS = 64 * 1024;

/** Counts what a host does since its start, for Prometheus: in a registry of its own, and nothing of its process. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #events = this.#counter('events_total', 'Events stored.', 'tenant');
  readonly #refused = this.#counter(
    'requests_refused_total',
    'Requests that were refused for the rate or the backlog of their tenant.',
    'tenant',
    'code',
  );
  readonly #runs = this.#counter('runs_total', 'Runs that ended, by their status.', 'tenant', 'status');
  readonly #runSeconds = this.#histogram(
    'run_duration_seconds',
    'How long the last delivery of a run took.',
    'tenant',
  );
  readonly #ingestSeconds = this.#histogram(
    'ingest_duration_seconds',
    'How long a provider took to make events of a request, its wait for the cell included.',
    'tenant',
    'provider',
  );
  readonly #buried = this.#counter('dead_letters_total', 'Events that became dead letters.', 'tenant');
  readonly #effects = this.#counter(
    'effects_total',
    'Effects that were asked for, by what became of them.',
    'tenant',
    'provider',
    'capability',
    'decision',
  );
  readonly #denials = this.#counter(
    'denials_total',
    'Effects that no grant allowed.',
    'tenant',
    'provider',
    'capability',
  );
  readonly #retries = this.#counter(
    'retries_total',
    'Events that are delivered again (event), and nodes that are tried again (node).',
    'tenant',
    'of',
  );
  readonly #ticks = this.#counter(
    'ticks_total',
    'Ticks that were skipped (overlap: skip) or became no event.',
    'tenant',
    'outcome',
  );
  readonly #cellsOpened = this.#counter('cells_opened_total', 'Cells that were opened.', 'tenant');
  readonly #cellsLost = this.#counter(
    'cells_lost_total',
    'Cells that were lost, by why.',
    'tenant',
    'reason',
  );
  readonly #cpu = this.#counter(
    'guest_cpu_seconds_total',
    'CPU time of the code of providers and flows.',
    'tenant',
    'provider',
  );
  readonly #pending = this.#gauge('events_pending', 'Events stored and not settled.', 'tenant');
  readonly #oldest = this.#gauge(
    'oldest_event_age_seconds',
    'Age of the oldest event that is not settled.',
    'tenant',
  );
  readonly #dead = this.#gauge('dead_letters', 'Dead letters in the store.', 'tenant');
  readonly #memory = this.#gauge(
    'guest_memory_bytes',
    'What the instances of a provider hold in a live cell.',
    'tenant',
    'provider',
  );
  readonly #cells = this.#gauge('cells', 'Cells that live.');
  readonly #cellHosts = this.#gauge('cell_hosts', 'Cell hosts that live.');
  readonly #quarantined = this.#gauge('quarantined', 'Providers and flows that are held back.');

  /** Hears the bus. */
  readonly listener: TapListener = (messages) => {
    for (const { kind, tenant, json } of messages) {
      if (kind === 'event') this.#events.add({ tenant });
      else if (kind === 'dead_letter') this.#buried.add({ tenant });
      else this.#result(tenant, json);
    }
  };

  effect({ tenant, source, capability, decision }: EffectRecord): void {
    this.#effects.add({ tenant, provider: source, capability, decision });
    if (decision === 'denied') this.#denials.add({ tenant, provider: source, capability });
  }

  refused(tenant: string, code: string): void {
    this.#refused.add({ tenant, code });
  }

  /** Measures what a provider makes of a request. */
  async ingest<T>(tenant: string, provider: string, work: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.#ingestSeconds.observe({ tenant, provider }, (performance.now() - startedAt) / 1000);
    }
  }

  /** Of a schedule; those that became events are counted as such. */
  tick(tenant: string, outcome: 'skipped' | 'lost'): void {
    this.#ticks.add({ tenant, outcome });
  }

  /** An event is delivered again. */
  putOff(tenant: string): void {
    this.#retries.add({ tenant, of: 'event' });
  }

  /** Entries that a run records; of a node that is tried again there is one each time. */
  recorded(tenant: string, { journal }: Pick<RunJournal, 'journal'>): void {
    for (const { entry } of journal) {
      if (entry.length < MAX_TRY_CHARACTERS && entry.includes('"status":"retrying"')) {
        this.#retries.add({ tenant, of: 'node' });
      }
    }
  }

  cellOpened(tenant: string): void {
    this.#cellsOpened.add({ tenant });
  }

  /** @param sliceMs what its code had run for without a pause, where it was ended for that: it never said so itself */
  cellLost(tenant: string, { reason, source }: CellLoss, sliceMs: number): void {
    this.#cellsLost.add({ tenant, reason });
    if (reason === 'overrun' && source !== null) {
      this.#cpu.add({ tenant, provider: source }, sliceMs / 1000);
    }
  }

  used(tenant: string, usage: readonly SourceUsage[]): void {
    for (const { source, cpuMs } of usage) {
      if (cpuMs > 0) this.#cpu.add({ tenant, provider: source }, cpuMs / 1000);
    }
  }

  /** Prometheus' text format, version 0.0.4. */
  text({ now, tenants, memory, cells, cellHosts, quarantined }: Readings): Promise<string> {
    for (const gauge of [this.#pending, this.#oldest, this.#dead, this.#memory]) gauge.reset();
    for (const [tenant, { pending, deadLetters, oldestAt }] of tenants) {
      this.#pending.add({ tenant }, pending);
      this.#dead.add({ tenant }, deadLetters);
      if (oldestAt !== undefined) this.#oldest.add({ tenant }, Math.max(0, now - oldestAt) / 1000);
    }
    for (const { tenant, source, memoryBytes } of memory) {
      this.#memory.add({ tenant, provider: source }, memoryBytes);
    }
    for (const [gauge, value] of [
      [this.#cells, cells],
      [this.#cellHosts, cellHosts],
      [this.#quarantined, quarantined],
    ] as const) {
      gauge.reset();
      gauge.add({}, value);
    }
    return this.#registry.metrics();
  }

  #result(tenant: string, json: string): void {
    this.#runs.add({ tenant, status: STATUS.exec(json)?.[1] ?? 'unknown' });
    const ms = DURATION.exec(json.slice(-MAX_TAIL))?.[1];
    if (ms !== undefined) this.#runSeconds.observe({ tenant }, Number(ms) / 1000);
  }

  #counter(name: string, help: string, ...labels: readonly string[]): BoundCounter {
    return new BoundCounter(this.#registry, { name: `gtpack_${name}`, help, labels });
  }

  #gauge(name: string, help: string, ...labels: readonly string[]): BoundGauge {
    return new BoundGauge(this.#registry, { name: `gtpack_${name}`, help, labels });
  }

  #histogram(name: string, help: string, ...labels: readonly string[]): BoundHistogram {
    return new BoundHistogram(this.#registry, { name: `gtpack_${name}`, help, labels });
  }
}

/** From the head of the result that the host itself writes, and its tail; the output between them may be long. */
const STATUS =
  /^\{"event_id":"(?:[^"\\]|\\.)*","run_id":"[0-9a-f]*","flow":"(?:[^"\\]|\\.)*","status":"(\w+)"/;
const DURATION = /"duration_ms":(\d+(?:\.\d+)?)\}$/;
const MAX_TAIL = 64;
