/** One way of doing the same thing, measured in rounds that alternate with the other ways. */
export interface Side {
  readonly label: string;
  /** Measures for about so long. @returns the rate or the cost, in the row's unit */
  measure(seconds: number): Promise<number>;
}

export interface Rounds {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  /** Of each side before the first round; what it measures is thrown away. */
  readonly warmUpSeconds: number;
}

/** A side with what was measured, one value a round. */
export interface MeasuredSide {
  readonly label: string;
  readonly values: readonly number[];
}

/**
 * Measures A, B, A, B, …: on a machine whose speed wanders, the two halves of a round meet nearly the same machine, so
 * their ratio is steadier than either.
 */
export async function alternate(
  sides: readonly Side[],
  { rounds, seconds, warmUpSeconds }: Rounds,
): Promise<MeasuredSide[]> {
  for (const side of sides) await side.measure(warmUpSeconds);
  const values = sides.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, side] of sides.entries()) values[index]?.push(await side.measure(seconds));
  }
  return sides.map(({ label }, index) => ({ label, values: values[index] ?? [] }));
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError for no values */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: quantile(sorted, 0), max: quantile(sorted, 1) };
}

/**
 * @param sorted ascending, not empty
 * @param share from 0 to 1; between two values the line between them counts
 */
export function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  const high = sorted[Math.ceil(at)];
  if (low === undefined || high === undefined) throw new RangeError('nothing was measured');
  return low + (high - low) * (at - Math.floor(at));
}

/** Of each round. */
export function ratios(a: MeasuredSide, b: MeasuredSide): number[] {
  return a.values.map((value, round) => value / (b.values[round] ?? Number.NaN));
}
