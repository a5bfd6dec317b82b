const RATE = /^([1-9]\d{0,8})\/(s|min|h|d)$/;

const PERIODS_MS: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** So many in a period, all of them at once if need be. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
  /** As it was written. */
  readonly text: string;
}

/** `10/s`, `100/min`, `1000/h`, `5000/d`; undefined for any other text. */
export function parseRate(text: string): Rate | undefined {
  const [, count, unit] = RATE.exec(text) ?? [];
  const periodMs = unit === undefined ? undefined : PERIODS_MS.get(unit);
  return periodMs === undefined ? undefined : { count: Number(count), periodMs, text };
}
