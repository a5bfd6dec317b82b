export const DURATION = /^(\d{1,12})(ms|s|m|h|d)$/;

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Milliseconds of a whole number with its unit, as in `250ms`, `10s`, `5m`, `24h`, `7d`; undefined for any other text. */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  const unitMs = unit === undefined ? undefined : UNITS_MS.get(unit);
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** The shortest text that `parseDurationMs` reads as `ms`. */
export function formatDuration(ms: number): string {
  const [unit, unitMs] = [...UNITS_MS].findLast(([, each]) => ms >= each && ms % each === 0) ?? ['ms', 1];
  return `${ms / unitMs}${unit}`;
}
