import type { Aim, Line, LineSide } from './row.ts';

const HEADINGS = ['row', 'measured', 'against', 'ratio', 'spread', 'aim'] as const;

/** The lines as text: medians, the ratio of each round with its least and greatest, and what was aimed at. */
export function table(lines: readonly Line[]): string {
  const rows = lines.map((line) => cells(line));
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const print = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const text = [print(HEADINGS), print(widths.map((width) => '-'.repeat(width)))];
  for (const [index, line] of lines.entries()) {
    text.push(print(rows[index] ?? []));
    for (const note of line.notes) text.push(`    ${note}`);
  }
  return `${text.join('\n')}\n`;
}

function cells({ name, unit, sides: [a, b], ratio, aim, met }: Line): string[] {
  return [
    name,
    side(a, unit),
    b === undefined ? '' : side(b, unit),
    ratio === undefined ? '' : number(ratio.median),
    ratio === undefined ? '' : `${number(ratio.min)} to ${number(ratio.max)}`,
    aim === undefined ? '' : `${words(aim, unit)}${met === true ? ', met' : ', missed'}`,
  ];
}

function side({ label, median }: LineSide, unit: string): string {
  return `${number(median)} ${unit} ${label}`;
}

function words(aim: Aim, unit: string): string {
  if ('measuredBelow' in aim) return `< ${aim.measuredBelow} ${unit}`;
  if ('measuredAtLeast' in aim) return `>= ${aim.measuredAtLeast} ${unit}`;
  return 'atLeast' in aim ? `>= ${aim.atLeast}` : `<= ${aim.atMost}`;
}

/** Three digits that count. */
export function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
