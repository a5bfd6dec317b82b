import type { TapListener } from '../bus/bus.ts';
import type { EffectRecord } from '../capability/broker.ts';

/** What is looked up when somebody asks. */
export interface Readings {
  readonly tenants: Iterable<readonly [string, { readonly pending: number; readonly deadLetters: number }]>;
  readonly cells: number;
  readonly cellHosts: number;
  readonly quarantined: number;
}

/** Series of one metric; what is past them is folded into one. */
const MAX_SERIES = 1000;
/** No tenant or provider has this name. */
const OTHER = '_other';

type Labels = Readonly<Record<string, string>>;

/** Counts what a host does since its start, and says it as Prometheus' text format, version 0.0.4. */
export class Metrics {
  readonly #events = new Metric('gtpack_events_total', 'counter', 'Events stored.');
  readonly #runs = new Metric('gtpack_runs_total', 'counter', 'Runs that ended, by their status.');
  readonly #buried = new Metric('gtpack_dead_letters_total', 'counter', 'Events that became dead letters.');
  readonly #effects = new Metric(
    'gtpack_effects_total',
    'counter',
    'Effects that were asked for, by what became of them.',
  );

  readonly #ticks = new Metric(
    'gtpack_ticks_total',
    'counter',
    'Ticks that were skipped (overlap: skip) or became no event.',
  );

  /** Hears the bus. */
  readonly listener: TapListener = (messages) => {
    for (const { kind, tenant, json } of messages) {
      if (kind === 'event') this.#events.add({ tenant });
      else if (kind === 'dead_letter') this.#buried.add({ tenant });
      else this.#runs.add({ tenant, status: statusOf(json) });
    }
  };

  effect({ tenant, source, capability, decision }: EffectRecord): void {
    this.#effects.add({ tenant, provider: source, capability, decision });
  }

  /** Of a schedule; those that became events are counted as such. */
  tick(tenant: string, outcome: 'skipped' | 'lost'): void {
    this.#ticks.add({ tenant, outcome });
  }

  text({ tenants, cells, cellHosts, quarantined }: Readings): string {
    const pending = new Metric('gtpack_events_pending', 'gauge', 'Events stored and not settled.');
    const dead = new Metric('gtpack_dead_letters', 'gauge', 'Dead letters in the store.');
    for (const [tenant, counts] of tenants) {
      pending.add({ tenant }, counts.pending);
      dead.add({ tenant }, counts.deadLetters);
    }
    const gauge = (name: string, help: string, value: number): Metric => {
      const metric = new Metric(name, 'gauge', help);
      metric.add({}, value);
      return metric;
    };
    return [
      this.#events,
      this.#runs,
      this.#buried,
      this.#effects,
      this.#ticks,
      pending,
      dead,
      gauge('gtpack_cells', 'Cells that live.', cells),
      gauge('gtpack_cell_hosts', 'Cell hosts that live.', cellHosts),
      gauge('gtpack_quarantined', 'Providers and flows that are held back.', quarantined),
    ]
      .map((metric) => metric.text())
      .join('');
  }
}

const STATUS =
  /^\{"event_id":"(?:[^"\\]|\\.)*","run_id":"[0-9a-f]*","flow":"(?:[^"\\]|\\.)*","status":"(\w+)"/;

/** From the head of the result that the host itself writes; the output behind it may be long. */
function statusOf(json: string): string {
  return STATUS.exec(json)?.[1] ?? 'unknown';
}

class Metric {
  readonly #name: string;
  readonly #kind: 'counter' | 'gauge';
  readonly #help: string;
  /** By their labels as text. */
  readonly #series = new Map<string, number>();

  constructor(name: string, kind: 'counter' | 'gauge', help: string) {
    this.#name = name;
    this.#kind = kind;
    this.#help = help;
  }

  add(labels: Labels, value = 1): void {
    let key = labelText(labels);
    if (!this.#series.has(key) && this.#series.size >= MAX_SERIES) key = labelText(folded(labels));
    this.#series.set(key, (this.#series.get(key) ?? 0) + value);
  }

  text(): string {
    const lines = [...this.#series].map(([labels, value]) => `${this.#name}${labels} ${value}\n`);
    return `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} ${this.#kind}\n${lines.join('')}`;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** What is left has few values: statuses, capabilities, decisions. */
function folded(labels: Labels): Labels {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) =>
      name === 'tenant' || name === 'provider' ? [name, OTHER] : [name, value],
    ),
  );
}
