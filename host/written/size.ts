export const SIZE = /^(\d{1,15})(B|KiB|MiB|GiB)$/;

const UNITS: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 ** 2],
  ['GiB', 1024 ** 3],
]);

/** Bytes of a whole number with its unit, as in `512B`, `256KiB`, `1MiB`, `2GiB`; undefined for any other text. */
export function parseSizeBytes(text: string): number | undefined {
  const [, count, unit] = SIZE.exec(text) ?? [];
  const unitBytes = unit === undefined ? undefined : UNITS.get(unit);
  return unitBytes === undefined ? undefined : Number(count) * unitBytes;
}

/** The shortest text that `parseSizeBytes` reads as `bytes`. */
export function formatSize(bytes: number): string {
  const [unit, unitBytes] = [...UNITS].findLast(([, each]) => bytes >= each && bytes % each === 0) ?? [
    'B',
    1,
  ];
  return `${bytes / unitBytes}${unit}`;
}
