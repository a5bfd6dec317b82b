import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Series of one metric; what is past them is folded into one. */
const MAX_SERIES = 1000;
/** A histogram has a line for each of its buckets. */
const MAX_HISTOGRAMS = 200;
/** No tenant or provider has this name. */
const OTHER = '_other';
/** What is left has few values: statuses, capabilities, decisions. */
const FOLDED = ['tenant', 'provider'];
/** From a plugin's first answer to a run that waits for vendors. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type Labels = Readonly<Record<string, string>>;

interface MetricShape {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Which series a metric has: however many tenants and providers there are, no more than so many. */
class Bound {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  of(labels: Labels): Record<string, string> {
    const key = JSON.stringify(labels);
    if (this.#known.has(key)) return { ...labels };
    if (this.#known.size < this.#max) {
      this.#known.add(key);
      return { ...labels };
    }
    return Object.fromEntries(
      Object.entries(labels).map(([name, value]) => [name, FOLDED.includes(name) ? OTHER : value]),
    );
  }

  forget(): void {
    this.#known.clear();
  }
}

export class BoundCounter {
  readonly #counter: Counter;
  readonly #bound = new Bound(MAX_SERIES);

  constructor(registry: Registry, { name, help, labels }: MetricShape) {
    this.#counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] });
  }

  add(labels: Labels, value = 1): void {
    this.#counter.inc(this.#bound.of(labels), value);
  }
}

/** Read anew each time. */
export class BoundGauge {
  readonly #gauge: Gauge;
  readonly #bound = new Bound(MAX_SERIES);

  constructor(registry: Registry, { name, help, labels }: MetricShape) {
    this.#gauge = new Gauge({ name, help, labelNames: [...labels], registers: [registry] });
  }

  /** Forgets all series. */
  reset(): void {
    this.#gauge.reset();
    this.#bound.forget();
  }

  add(labels: Labels, value: number): void {
    this.#gauge.inc(this.#bound.of(labels), value);
  }
}

export class BoundHistogram {
  readonly #histogram: Histogram;
  readonly #bound = new Bound(MAX_HISTOGRAMS);

  constructor(registry: Registry, { name, help, labels }: MetricShape) {
    this.#histogram = new Histogram({
      name,
      help,
      labelNames: [...labels],
      buckets: [...SECONDS],
      registers: [registry],
    });
  }

  observe(labels: Labels, seconds: number): void {
    this.#histogram.observe(this.#bound.of(labels), seconds);
  }
}
